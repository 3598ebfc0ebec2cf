// Other forms of a trained adapter: a LoRA that any PEFT-compatible server takes, and where the
// adapter started from a part of W, the base without that part. Source: the conversion of methods
// such as PiSSA into LoRA, PiSSA 2404.02948 appendix; the difference form avoids its cancellation.
#pragma once

#include <filesystem>

#include "adapter_files/low_rank_export.h"
#include "attach/adapter_record.h"
#include "io/model.h"
#include "merge/model_writer.h"
#include "nn/adapter_set.h"

namespace svtune {

// A LoRA for the untouched base: scale baked into B, alpha = r, use_rslora false, one rank, no
// patterns. Works for every method that leaves the base's shape alone. An adapter that needs its
// own quantised base is written to directory/adapter with that base in directory/base. The names of
// labels and the preparation of images stand beside it, as beside a saved adapter. Throws
// UsageError for `full` (merge it instead).
LoraExportReport export_lora(const Model& model, const AdapterSet& adapters,
                             const AdapterRecord& record, const std::filesystem::path& directory,
                             const LoraExportOptions& options = {});

// directory/base: the model with W - s·B₀A₀ in place of W; directory/adapter: A and B for it,
// as PEFT reads them. Only of methods that start from a part of W (UsageError otherwise). In bf16
// the residual is rounded once, so its logits differ from the trained ones by that rounding; fp32
// has none.
MergeReport export_residual(const Model& model, const AdapterSet& adapters,
                            const AdapterRecord& record, const std::filesystem::path& directory,
                            const MergeOptions& options = {});

}  // namespace svtune
