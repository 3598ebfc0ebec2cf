// Generation on texts: prompt in, answer out, with stop strings and streaming.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "infer/generate.h"
#include "text/tokenizer.h"

namespace svtune {

struct TextOptions {
  GenerateOptions tokens;
  std::vector<std::string> stop;  // texts or special tokens that end an answer and are cut off
};

struct TextAnswer {
  std::string text;
  std::int64_t tokens = 0;  // generated
  StopReason reason = StopReason::kLength;
};

// Called with each piece of text of prompt `index` that cannot change any more.
using TextCallback = std::function<void(std::size_t index, std::string_view piece)>;

// Continues every prompt as one batch. Throws as generate() does.
std::vector<TextAnswer> generate_text(Network& net, const Tokenizer& tokenizer,
                                      const std::vector<std::vector<std::int32_t>>& prompts,
                                      const TextOptions& options, const TextCallback& on_text = {});

}  // namespace svtune
