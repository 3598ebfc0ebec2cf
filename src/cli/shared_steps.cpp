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

LoadedModel load_for_command(const ModelOptions& options, CommandContext& context) {
  prepare_torch(options.threads);
  LoadOptions load;
  load.dtype = scalar_type(options.dtype);
  load.check_finite = true;
  LoadedModel loaded = load_with_adapter(options.model, options.adapter, load);
  for (const std::string& warning : loaded.warnings) context.warn(warning);
  return loaded;
}

}  // namespace svtune
