// One record of a data set, independent of the format it came in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace svtune {

enum class ExampleKind {
  kPair,      // prompt and completion
  kMessages,  // a conversation
  kText,      // plain text, all of it learned
};

struct Example {
  ExampleKind kind = ExampleKind::kPair;
  std::string prompt;      // kPair: instruction or question
  std::string input;       // kPair: Alpaca's further context, may be empty
  std::string completion;  // kPair: the answer; kText: the text
  Json messages;           // kMessages: [{role, content}, ...]
  Json tools;              // kMessages: list of tools for the template; null without
};

// An example as tokens. supervised[i] tells whether ids[i] is to be predicted.
struct TokenizedExample {
  std::vector<std::int32_t> ids;
  std::vector<bool> supervised;
  bool truncated = false;

  std::int64_t num_supervised() const {
    std::int64_t count = 0;
    // The first token has nothing before it to be predicted from.
    for (std::size_t i = 1; i < supervised.size(); ++i) count += supervised[i] ? 1 : 0;
    return count;
  }
};

}  // namespace svtune
