#include "train/quantized_base.h"

#include <algorithm>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "nn/cpu_allocator.h"
#include "train/run_config.h"
#include "train/run_directory.h"

namespace svtune {
namespace {

constexpr char kQuantizedFolder[] = "quantized";

double bits_of(QuantType type, const QuantTuning& tuning) {
  if (type == QuantType::kInt8) return 8;
  return 4 + (tuning.double_quant ? 8.127 : 32.0) / static_cast<double>(tuning.block_size);
}

std::filesystem::path quantized_folder(const TrainOptions& options) {
  return options.run.output / kQuantizedFolder;
}

}  // namespace

QuantizePlan quantize_plan(const TrainOptions& options) {
  QuantizePlan plan;
  plan.type = *options.model.base_dtype;
  plan.tuning = options.tuning;
  plan.targets = options.targets;
  plan.seed = options.train.seed;
  const QuantizedStart<MethodConfig> start = method_quantized_start(options.method);
  plan.method = start.method;
  if (start.method != LowRankQuantMethod::kPlain) {
    plan.low_rank = start.low_rank;
    plan.trained = start.trained;
  }
  quant_config(plan.type, plan.tuning);
  return plan;
}

std::filesystem::path base_to_read(const TrainOptions& options) {
  const std::filesystem::path& run = options.run.output;
  const std::filesystem::path own = quantized_folder(options) / "base";
  const bool goes_on = options.run.resume && std::filesystem::exists(config_file(run)) &&
                       has_checkpoint(run) && std::filesystem::exists(own);
  return options.model.base_dtype && goes_on ? own : options.model.model;
}

std::filesystem::path quantized_base_directory(const std::filesystem::path& run) {
  return run / kQuantizedFolder / "base";
}

void enter_quantized_base(TrainSession& session, RunObserver& observer) {
  const TrainOptions& options = session.options;
  if (!options.model.base_dtype) return;
  const std::filesystem::path folder = quantized_folder(options);
  if (!std::filesystem::exists(folder)) {
    QuantizeOptions quantize;
    quantize.measure = false;
    quantize.progress = [&observer](std::int64_t done, std::int64_t total) {
      observer.progress(RunPhase::kQuantize, done, total);
    };
    quantize_model(session.model, quantize_plan(options), folder, quantize);
  }
  if (session.model.path != folder / "base") {
    session.model = {};  // gives the dense matrices back before the quantised ones are read
    release_cached_blocks();
    session.model = load_model(folder / "base", {scalar_type(options.model.dtype)});
  }
  if (std::filesystem::exists(folder / "adapter")) session.start_adapter = folder / "adapter";
}

void quantize_in_memory(TrainSession& session) {
  const TrainOptions& options = session.options;
  if (!options.model.base_dtype) return;
  const QuantConfig config = quant_config(*options.model.base_dtype, options.tuning);
  Network& net = *session.model.net;
  for (Linear* layer : net.linears()) {
    if (layer == &net.head() || !layer->base().defined() || layer->base().quantized()) continue;
    const at::ScalarType dtype = layer->base().dtype();
    layer->replace_base(BaseWeight(
        std::make_shared<QuantizedMatrix>(quantize(layer->base().dense(), config)), dtype));
  }
}

std::uint64_t frozen_matrix_bytes(const TrainSession& session) {
  Network& net = *session.model.net;
  const std::optional<QuantType>& wanted = session.options.model.base_dtype;
  double bytes = 0, buffer = 0;
  for (const Linear* layer : net.linears()) {
    if (!layer->base().defined()) continue;
    const auto count = static_cast<double>(layer->out_features() * layer->in_features());
    const bool rounded_later = wanted && layer != &net.head() && !layer->base().quantized();
    bytes += rounded_later ? count * bits_of(*wanted, session.options.tuning) / 8
                           : static_cast<double>(layer->base().nbytes());
    if (rounded_later || layer->base().quantized()) {
      buffer = std::max(buffer, count * static_cast<double>(at::elementSize(net.dtype())));
    }
  }
  return static_cast<std::uint64_t>(bytes + buffer);
}

}  // namespace svtune
