#include "cli/shared_steps.h"

#include <system_error>

#include "api/prepare_torch.h"
#include "io/new_head.h"
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

ThreadChoice prepare_threads(std::int64_t threads, CommandContext& context) {
  ThreadChoice choice = prepare_torch(threads);
  for (const std::string& warning : choice.warnings) context.warn(warning);
  return choice;
}

namespace {

LoadOptions load_options(ComputeDtype dtype) {
  LoadOptions load;
  load.dtype = scalar_type(dtype);
  load.check_finite = true;
  return load;
}

LoadedModel load_told(const ModelOptions& options, const LoadOptions& load,
                      CommandContext& context) {
  prepare_threads(options.threads, context);
  LoadedModel loaded = load_with_adapter(options.model, options.adapter, load);
  for (const std::string& warning : loaded.warnings) context.warn(warning);
  return loaded;
}

}  // namespace

LoadedModel load_for_command(const ModelOptions& options, CommandContext& context) {
  return load_told(options, load_options(options.dtype), context);
}

LoadedModel load_for_weights(const ModelOptions& options, const NewHead& head,
                             CommandContext& context) {
  LoadOptions load = load_options(options.dtype);
  const std::filesystem::path config = options.model / "config.json";
  std::error_code failed;
  const bool readable = !options.adapter && std::filesystem::is_regular_file(config, failed);
  if (readable && is_bare(read_json_file(config))) load.head = head;
  return load_told(options, load, context);
}

LoadedModel load_for_command(const ServedModelOptions& options, CommandContext& context) {
  const std::vector<NamedPath> adapters = parse_named_paths(options.adapters, "--adapter");
  const bool plain = adapters.empty() || (adapters.size() == 1 && !adapters[0].named);
  if (plain) {
    ModelOptions one{options.model, std::nullopt, options.dtype, options.threads};
    if (!adapters.empty()) one.adapter = adapters[0].path;
    return load_for_command(one, context);
  }
  prepare_threads(options.threads, context);
  LoadedModel loaded = load_with_adapters(options.model, adapters, load_options(options.dtype));
  for (const std::string& warning : loaded.warnings) context.warn(warning);
  return loaded;
}

}  // namespace svtune
