#include "infer/answer_config.h"

#include <utility>

namespace svtune {

TextOptions text_options(const AnswerConfig& config, std::vector<std::int32_t> end_tokens) {
  TextOptions options;
  options.tokens.sampling = config.sampling;
  options.tokens.max_new_tokens = config.max_new_tokens;
  options.tokens.end_tokens = std::move(end_tokens);
  options.stop = config.stop;
  return options;
}

}  // namespace svtune
