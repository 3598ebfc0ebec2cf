// Conversations as data sets write them, turned into messages as chat templates take them:
// {"role", "content"} and ShareGPT's {"from", "value"}, roles under all their names, weights of
// single turns, tools and their calls as objects or as JSON text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/example.h"

namespace svtune {

// "user", "assistant", "system" or "tool" for every name that data sets give these roles, in
// any capitalisation; other names as they are.
std::string canonical_role(const std::string& name);

// What is wrong with a list of turns, "" when nothing is. A turn needs a role and text (a
// string or a list of text parts; an assistant's turn that calls tools may lack it), and its
// "weight", "loss_weight", "train" or "loss" must say all or nothing.
std::string turns_problem(const Json& turns);

// Appends the turns to example.messages and example.notes. Keys other than role and content
// are kept, those that hold null or no calls left out; content is text, or null beside calls.
// `share_gpt` prefers "from" and "value" where a turn has both spellings. Requires:
// turns_problem() was "".
void append_turns(const Json& turns, bool share_gpt, Example& example);

// Names of what the messages hold beside role, text, weights and tool calls, each once; empty
// values are left out.
std::vector<std::string> further_fields(const Json& messages);

// How many messages of others than the assistant ask to be learned, by a weight of 1 or true.
std::int64_t asking_in_vain(const Json& messages);

// Alpaca's history: a list of [question, answer] pairs, or of turns; null and "" are no history.
std::string history_problem(const Json& history);
// Earlier turns as messages; null when there are none.
struct HistoryTurns {
  Json messages;
  std::vector<MessageNote> notes;  // one a message
};
// Requires: history_problem() was "".
HistoryTurns history_turns(const Json& history);

// Tools: a list or the JSON text of one, whose elements are objects or their JSON text; null and ""
// are no tools.
std::string tools_problem(const Json& tools);
// The list of objects; null when there is none or it is empty. Requires: tools_problem() was "".
Json tools_list(const Json& tools);

// Whether a column with this value holds nothing: null, "", [] or {}.
bool is_empty_value(const Json& value);

}  // namespace svtune
