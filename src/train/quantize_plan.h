// Which base a run quantises for itself, how, and where it lies; products in int8.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "quantized_base/quantize_model.h"
#include "train/run_options.h"

namespace svtune {

// Throws UsageError when the method cannot train on a quantised base or an option does not fit.
QuantizePlan quantize_plan(const TrainOptions& options);
// What trains: beside a base that the run quantises the low-rank part may be another method's.
// Throws as quantize_plan() does.
MethodConfig trained_method(const TrainOptions& options);

// Throws UsageError for int8 products with matrices that the method trains.
void check_base_compute(BaseCompute compute, const MethodConfig& method);

// What a run adds to Model::arithmetic: "; int8 products with the frozen matrices"; empty for none.
std::string arithmetic_additions(BaseCompute compute, const DropoutRates& dropout);

// The model that a run begins or goes on with: --model, or, once a run on a base that it quantised
// has a checkpoint, that base alone. A machine that holds it need not hold the dense one.
std::filesystem::path base_to_read(const TrainOptions& options);
// What a run keeps of --base-dtype: the base, and the adapter that starts on it.
std::filesystem::path quantized_folder(const std::filesystem::path& run);
// The base model of such a run's adapter.
std::filesystem::path quantized_base_directory(const std::filesystem::path& run);

// Bytes that the frozen matrices take while training, with the buffer that a quantised base needs
// and the codes of --base-compute int8; `dense` as dense_modules() of the model.
std::uint64_t frozen_matrix_bytes(Network& net, const TrainOptions& options,
                                  const std::vector<std::string>& dense = {});

}  // namespace svtune
