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

// What a data set says about one message beside its text.
struct MessageNote {
  bool muted = false;      // an assistant's turn that is never to be learned
  bool in_prompt = false;  // belongs to the prompt, whoever writes it
  bool call_text = false;  // an assistant's turn whose content is a tool call as JSON text
};

struct Example {
  ExampleKind kind = ExampleKind::kPair;
  std::string prompt;      // kPair: instruction or question
  std::string input;       // kPair: Alpaca's further context, may be empty
  std::string completion;  // kPair: the answer; kText: the text
  std::string system;      // kPair: system message of chat prompts, may be empty
  Json history;            // kPair: earlier turns [{role, content}, ...]; null without
  std::vector<MessageNote> history_notes;  // by turn of history
  Json messages;                           // kMessages: [{role, content}, ...]
  // kMessages: by message; messages beyond its end have no note.
  std::vector<MessageNote> notes;
  Json tools;  // list of tools for chat templates; null without

  MessageNote note(std::size_t message) const {
    return message < notes.size() ? notes[message] : MessageNote{};
  }
};

// An example as tokens. supervised[i] tells whether ids[i] is to be predicted.
struct TokenizedExample {
  std::vector<std::int32_t> ids;
  std::vector<bool> supervised;
  bool truncated = false;
  bool folded_system = false;      // the system message stands in the first user turn
  std::int64_t lost_messages = 0;  // that the chat template leaves out
  std::int64_t cut_answers = 0;    // learned ones of which the chat template leaves out a part

  std::int64_t num_supervised() const {
    std::int64_t count = 0;
    // The first token has nothing before it to be predicted from.
    for (std::size_t i = 1; i < supervised.size(); ++i) count += supervised[i] ? 1 : 0;
    return count;
  }
};

}  // namespace svtune
