// Other forms of a trained adapter: a LoRA that any PEFT-compatible server takes, and for
// PiSSA the residual base with its adapter. Source: the conversion of methods such as PiSSA
// into LoRA, PiSSA 2404.02948 appendix; the difference form avoids its cancellation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "io/model.h"
#include "nn/adapter_set.h"
#include "peft/adapter_record.h"
#include "peft/merge.h"

namespace svtune {

struct LoraExportOptions {
  // Smallest rank per layer with ‖ΔW - ΔW_k‖ <= tolerance · ‖ΔW‖ (Frobenius). Unset: the
  // exact factors as they are where the method has them, else 1e-3.
  std::optional<double> tolerance = {};
  std::optional<std::int64_t> max_rank = {};  // cuts further, whatever the error
  IfExists if_exists = IfExists::kFail;
};

struct ExportedLayer {
  std::string name;
  std::int64_t rank = 0;      // kept; the file pads all layers to one rank
  double error = 0;           // ‖ΔW - ΔW_k‖, Frobenius: exact for the decomposition made
  double relative_error = 0;  // the same over ‖ΔW‖
};

struct LoraExportReport {
  std::int64_t rank = 0;  // of the file: the largest of the layers
  std::vector<ExportedLayer> layers;
  double largest_relative_error = 0;
};

// A LoRA for the untouched base: scale baked into B, alpha = r, use_rslora false, one rank, no
// patterns. Works for every method that leaves the base's shape alone. An adapter that needs its
// own quantised base is written to directory/adapter with that base in directory/base. Throws
// UsageError for `full` (merge it instead).
LoraExportReport export_lora(const Model& model, const AdapterSet& adapters,
                             const AdapterRecord& record, const std::filesystem::path& directory,
                             const LoraExportOptions& options = {});

// directory/base: the model with W - s·B₀A₀ in place of W; directory/adapter: A and B for it,
// with init_lora_weights true. PiSSA only (UsageError otherwise). In bf16 the residual is
// rounded once, so its logits differ from the trained ones by that rounding; fp32 has none.
MergeReport export_residual(const Model& model, const AdapterSet& adapters,
                            const AdapterRecord& record, const std::filesystem::path& directory,
                            const MergeOptions& options = {});

}  // namespace svtune
