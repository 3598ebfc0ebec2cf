#include "train/quantized_base.h"

#include "libtorch/prelude.h"
#include "nn/cpu_allocator.h"
#include "train/session_adapters.h"

namespace svtune {

void enter_quantized_base(TrainSession& session, RunObserver& observer) {
  const TrainOptions& options = session.options;
  if (!options.model.base_dtype) return;
  const std::filesystem::path folder = quantized_folder(options.run.output);
  if (!std::filesystem::exists(folder)) {
    QuantizeOptions quantize;
    quantize.measure = false;
    quantize.progress = [&observer](std::int64_t done, std::int64_t total) {
      observer.progress(RunPhase::kQuantize, done, total);
    };
    QuantizePlan plan = quantize_plan(options);
    plan.targets = resolved_targets(session);
    quantize_model(session.model, plan, folder, quantize);
  }
  if (session.model.path != folder / "base") {
    const at::ScalarType compute = session.model.dtype();
    const std::string arithmetic = session.model.arithmetic;
    // The written base holds them, but nothing has trained them.
    std::vector<std::string> made = std::move(session.model.made);
    session.model = {};  // gives the dense matrices back before the quantised ones are read
    release_cached_blocks();
    session.model = load_model(folder / "base", {compute});
    session.model.arithmetic = arithmetic;
    session.model.made = std::move(made);
  }
  if (std::filesystem::exists(folder / "adapter")) session.start_adapter = folder / "adapter";
}

void quantize_in_memory(TrainSession& session) {
  const TrainOptions& options = session.options;
  if (!options.model.base_dtype) return;
  const QuantConfig config = quant_config(*options.model.base_dtype, options.tuning);
  Network& net = *session.model.net;
  const std::vector<std::string> dense = dense_modules(session.model);
  for (Linear* layer : net.linears()) {
    if (layer == &net.head() || stays_dense(*layer, dense)) continue;
    if (!layer->base().defined() || layer->base().quantized()) continue;
    const at::ScalarType dtype = layer->base().dtype();
    layer->replace_base(BaseWeight(
        std::make_shared<QuantizedMatrix>(quantize(layer->base().dense(), config)), dtype));
  }
}

}  // namespace svtune
