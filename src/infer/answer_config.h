// How answers are generated, as commands and tasks let a user choose it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fields.h"
#include "infer/answer_ends.h"
#include "infer/text_generation.h"

namespace svtune {

struct AnswerConfig {
  SamplingOptions sampling;
  std::int64_t max_new_tokens = 256;
  std::vector<std::string> stop;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.max_new_tokens, {.name = "max_new_tokens",
                                .help = "Longest answer",
                                .unit = "tokens",
                                .min = 1,
                                .max = 1 << 20});
    visit(self.stop,
          {.name = "stop", .help = "Text that ends an answer; repeatable", .separator = 0});
    visit.group("Sampling", self.sampling);
  }
};

TextOptions text_options(const AnswerConfig& config, const AnswerEnds& ends);

}  // namespace svtune
