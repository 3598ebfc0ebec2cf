#include "train/quantize_plan.h"

#include <algorithm>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "train/run_config.h"
#include "train/run_directory.h"

namespace svtune {
namespace {

// Of a weight in memory: nested scales are there as codes and as what they stand for.
double bits_of(QuantType type, const QuantTuning& tuning) {
  if (type == QuantType::kInt8) return 8;
  return 4 + (tuning.double_quant ? 32 + 8.127 : 32.0) / static_cast<double>(tuning.block_size);
}

// Codes and scales of products in int8; the codes of a matrix that is stored in int8 are there.
double int8_bytes(const Linear& layer, std::optional<QuantType> rounded_to) {
  const QuantizedMatrix* stored = layer.base().quantized().get();
  if (stored != nullptr) rounded_to = stored->storage().type;
  const double scales = 4.0 * static_cast<double>(layer.out_features());
  if (rounded_to == QuantType::kInt8) return scales;
  return scales + static_cast<double>(layer.out_features() * layer.in_features());
}

}  // namespace

std::filesystem::path quantized_folder(const std::filesystem::path& run) {
  return run / "quantized";
}

QuantizePlan quantize_plan(const TrainOptions& options) {
  QuantizePlan plan;
  plan.type = *options.model.base_dtype;
  plan.tuning = options.tuning;
  plan.targets = options.targets;
  plan.seed = options.train.seed;
  const QuantizedStart<MethodConfig> wanted = method_quantized_start(options.method);
  plan.start = wanted.kind;
  if (plan.start != QuantStart::kNone) {
    plan.low_rank = wanted.low_rank;
    plan.trained = wanted.trained;
  }
  quant_config(plan.type, plan.tuning);
  return plan;
}

MethodConfig trained_method(const TrainOptions& options) {
  if (!options.model.base_dtype) return options.method;
  const QuantizePlan plan = quantize_plan(options);
  const bool other = plan.start != QuantStart::kNone;
  return other ? plan.trained(plan.low_rank) : options.method;
}

void check_base_compute(BaseCompute compute, const MethodConfig& method) {
  if (compute == BaseCompute::kExact || !method_traits(method).trains_matrix) return;
  throw UsageError("--base-compute int8 is for frozen matrices, --method " + method_name(method) +
                       " trains them",
                   "Leave it out, or take a method that trains beside the matrices.");
}

std::string arithmetic_additions(BaseCompute compute, const DropoutRates& dropout) {
  std::string text;
  if (compute != BaseCompute::kExact) text += "; int8 products with the frozen matrices";
  const std::string dropped = dropout_text(dropout);
  return dropped.empty() ? text : text + "; dropout of the model: " + dropped;
}

std::filesystem::path base_to_read(const TrainOptions& options) {
  const std::filesystem::path& run = options.run.output;
  const std::filesystem::path own = quantized_base_directory(run);
  const bool goes_on = options.run.resume && std::filesystem::exists(config_file(run)) &&
                       has_checkpoint(run) && std::filesystem::exists(own);
  return options.model.base_dtype && goes_on ? own : options.model.model;
}

std::filesystem::path quantized_base_directory(const std::filesystem::path& run) {
  return quantized_folder(run) / "base";
}

std::uint64_t frozen_matrix_bytes(Network& net, const TrainOptions& options,
                                  const std::vector<std::string>& dense) {
  const std::optional<QuantType>& wanted = options.model.base_dtype;
  double bytes = 0, buffer = 0;
  for (const Linear* layer : net.linears()) {
    if (!layer->base().defined()) continue;
    const auto count = static_cast<double>(layer->out_features() * layer->in_features());
    const bool stays = layer == &net.head() || stays_dense(*layer, dense);
    const bool rounded_later = wanted && !stays && !layer->base().quantized();
    bytes += rounded_later ? count * bits_of(*wanted, options.tuning) / 8
                           : static_cast<double>(layer->base().nbytes());
    const bool int8 = options.model.base_compute != BaseCompute::kExact && layer != &net.head();
    if (int8) bytes += int8_bytes(*layer, rounded_later ? wanted : std::nullopt);
    if ((rounded_later || layer->base().quantized()) && !int8) {
      buffer = std::max(buffer, count * static_cast<double>(at::elementSize(net.dtype())));
    }
  }
  return static_cast<std::uint64_t>(bytes + buffer);
}

}  // namespace svtune
