// What saving and exporting share: a method's change of the weights as a plain LoRA.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "attach/adapter_record.h"
#include "base/files.h"
#include "io/model.h"
#include "nn/adapter_set.h"

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
  // What some servers of LoRA do not read.
  std::vector<std::string> modules_to_save;
  bool branch_bias = false;  // lora_bias
};

// Throws UsageError when nothing but whole weights trained, which has no such form.
void require_adapters(const AdapterSet& adapters, const char* form);

// The LoRA form in a directory that exists.
LoraExportReport write_lora_export(const Model& model, const AdapterSet& adapters,
                                   const AdapterRecord& record,
                                   const std::filesystem::path& directory,
                                   const LoraExportOptions& options);

// The smallest factors for a tolerance, scale 1 and balanced, from QR decompositions and one
// small SVD in fp64. `error` and `norm` receive ‖ΔW - ΔW_k‖ and ‖ΔW‖.
struct Truncation {
  std::optional<double> tolerance = {};
  std::optional<std::int64_t> max_rank = {};
};
LowRankDelta recompress(const LowRankDelta& delta, const Truncation& truncation, double& error,
                        double& norm);

}  // namespace svtune
