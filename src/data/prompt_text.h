// An example as text, before it becomes tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace svtune {

// A piece of the text and whether the model learns to write it.
struct PromptPart {
  std::string text;
  bool supervised = false;
  bool muted = false;  // not learned even where the prompt is
};

struct PromptText {
  std::vector<PromptPart> parts;
  bool add_frame = true;           // the tokenizer's special tokens around the text (<s>, ...)
  bool add_end = true;             // the end token after the last part
  bool folded_system = false;      // the system message stands in the first user turn
  std::int64_t lost_messages = 0;  // that the chat template leaves out
  std::int64_t cut_answers = 0;    // learned ones of which the chat template leaves out a part
};

// Instruction and further context as one text; the one that is there where the other is empty.
std::string joined_prompt(const std::string& prompt, const std::string& input, const char* between);

}  // namespace svtune
