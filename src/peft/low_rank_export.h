// What saving and exporting share: a method's change of the weights as a plain LoRA.
#pragma once

#include "peft/adapter_config.h"
#include "peft/export.h"

namespace svtune {

// PEFT's configuration for these adapters' factors as they are, patterns included.
PeftLoraConfig lora_file_config(const Model& model, const AdapterSet& adapters,
                                const AdapterRecord& record, const LowRankConfig& low_rank);

// Throws UsageError when nothing but whole weights trained, which has no such form.
void require_adapters(const AdapterSet& adapters, const char* form);

// export_lora into an existing directory.
LoraExportReport write_lora_export(const Model& model, const AdapterSet& adapters,
                                   const AdapterRecord& record,
                                   const std::filesystem::path& directory,
                                   const LoraExportOptions& options);

// merge_to_directory into an existing directory.
MergeReport write_merged(const Model& model, const AdapterSet& adapters,
                         const std::filesystem::path& directory);

// The smallest factors for a tolerance, scale 1 and balanced, from QR decompositions and one
// small SVD in fp64. `error` and `norm` receive ‖ΔW - ΔW_k‖ and ‖ΔW‖.
struct Truncation {
  std::optional<double> tolerance = {};
  std::optional<std::int64_t> max_rank = {};
};
LowRankDelta recompress(const LowRankDelta& delta, const Truncation& truncation, double& error,
                        double& norm);

}  // namespace svtune
