#include "infer/answer_config.h"

namespace svtune {

TextOptions text_options(const AnswerConfig& config, const AnswerEnds& ends) {
  TextOptions options;
  options.tokens.sampling = config.sampling;
  options.tokens.max_new_tokens = config.max_new_tokens;
  options.tokens.end_tokens = ends.ids;
  options.stop = config.stop;
  options.stop.insert(options.stop.end(), ends.texts.begin(), ends.texts.end());
  return options;
}

}  // namespace svtune
