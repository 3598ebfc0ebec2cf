#include "cli/conversion.h"

#include "base/tell_once.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

bool is_mix(const AdapterConversion& options) {
  return options.adapters.size() > 1 || !options.weights.empty() ||
         options.mix.rule != MixRule::kLinear;
}

std::vector<double> weights_of(const AdapterConversion& options,
                               const std::vector<NamedPath>& adapters) {
  std::vector<double> weights(adapters.size(), 1.0);
  for (const auto& [name, weight] : options.weights) {
    weights[index_of_name(adapters, name, "--weight")] = weight;
  }
  return weights;
}

}  // namespace

ConversionInput load_conversion(const AdapterConversion& options, CommandContext& context) {
  const std::vector<NamedPath> adapters = parse_named_paths(options.adapters, "--adapter");
  ConversionInput input;
  if (!is_mix(options)) {
    ModelOptions one;
    one.model = options.model;
    one.adapter = adapters.front().path;
    input.loaded = load_for_command(one, context);
    return input;
  }
  const std::vector<double> weights = weights_of(options, adapters);
  require_no_own_head(options.model, adapters);
  prepare_threads(0, context);
  LoadOptions load;
  load.check_finite = true;
  TellOnce tell([&context](const std::string& text) { context.warn(text); });
  input.loaded = load_with_adapter(options.model, std::nullopt, load);
  tell(input.loaded.warnings);
  load.check_finite = false;  // the same weights again
  std::vector<MixPart> parts;
  for (std::size_t i = 0; i < adapters.size(); ++i) {
    input.parts.push_back(
        std::make_unique<LoadedModel>(load_with_adapter(options.model, adapters[i].path, load)));
    tell(input.parts.back()->warnings);
    const std::string prompts = other_prompts_text(adapters[i], *input.parts.back()->adapter,
                                                   adapters[0], *input.parts.front()->adapter);
    if (!prompts.empty()) context.warn(prompts);
    parts.push_back({adapters[i].name, weights[i], input.parts.back().get()});
  }
  input.loaded.adapter = mix_adapters(input.loaded.model, parts, options.mix);
  return input;
}

}  // namespace svtune
