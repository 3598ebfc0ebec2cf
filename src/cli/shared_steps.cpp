#include "cli/shared_steps.h"

#include "api/prepare_torch.h"
#include "libtorch/prelude.h"

namespace svtune {

PromptTemplate prompt_for_command(const LoadedModel& loaded, const PromptOptions& options,
                                  const Tokenizer& tokenizer, CommandContext& context) {
  std::vector<std::string> warnings;
  PromptTemplate prompt = choose_prompt(options, tokenizer, loaded.trained_prompt(), warnings);
  for (const std::string& notice : prompt.notices()) warnings.push_back(notice);
  for (const std::string& warning : warnings) context.warn(warning);
  return prompt;
}

namespace {

LoadOptions load_options(ComputeDtype dtype) {
  LoadOptions load;
  load.dtype = scalar_type(dtype);
  load.check_finite = true;
  return load;
}

}  // namespace

LoadedModel load_for_command(const ModelOptions& options, CommandContext& context) {
  prepare_torch(options.threads);
  LoadedModel loaded =
      load_with_adapter(options.model, options.adapter, load_options(options.dtype));
  for (const std::string& warning : loaded.warnings) context.warn(warning);
  return loaded;
}

LoadedModel load_for_command(const ServedModelOptions& options, CommandContext& context) {
  const std::vector<NamedPath> adapters = parse_named_paths(options.adapters, "--adapter");
  const bool plain = adapters.empty() || (adapters.size() == 1 && !adapters[0].named);
  if (plain) {
    ModelOptions one{options.model, std::nullopt, options.dtype, options.threads};
    if (!adapters.empty()) one.adapter = adapters[0].path;
    return load_for_command(one, context);
  }
  prepare_torch(options.threads);
  LoadedModel loaded = load_with_adapters(options.model, adapters, load_options(options.dtype));
  for (const std::string& warning : loaded.warnings) context.warn(warning);
  return loaded;
}

}  // namespace svtune
