// Tool calls of messages in the forms that chat templates take: arguments as JSON values or as
// JSON text, calls as objects or as the text of a turn.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"

namespace svtune {

bool has_calls(const Json& message);

// Gives one call of a message another name; false where it has none.
bool rename_call(Json& call);

// Arguments that are JSON text become the values they stand for, and the reverse.
Json with_argument_values(Json messages);
Json with_argument_texts(Json messages);

// Whether a template wrote arguments that are JSON text as a JSON string once more.
bool quoted_twice(const Json& messages, const std::string& rendered);

// As it stands within a JSON string: {"a": 1} becomes {\"a\": 1}.
std::string quoted_inside(const std::string& text);

// A tool call as ShareGPT data write it, the JSON text of {name, arguments} (or parameters, Llama's
// word) or of a list of them, as the "tool_calls" of a message; nothing for other texts.
std::optional<Json> calls_of_text(const std::string& text);

}  // namespace svtune
