#include "data/turns.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/text_util.h"
#include "text/chat_template.h"

namespace svtune {
namespace {

struct RoleName {
  const char* name;  // lower case
  const char* role;
};
constexpr RoleName kRoleNames[] = {
    {"user", "user"},           {"human", "user"},     {"prompter", "user"},
    {"assistant", "assistant"}, {"gpt", "assistant"},  {"model", "assistant"},
    {"chatgpt", "assistant"},   {"bing", "assistant"}, {"bard", "assistant"},
    {"bot", "assistant"},       {"ai", "assistant"},   {"function_call", "assistant"},
    {"tool_call", "assistant"}, {"system", "system"},  {"tool", "tool"},
    {"observation", "tool"},    {"function", "tool"},  {"function_response", "tool"},
    {"tool_response", "tool"},
};

constexpr const char* kWeightKeys[] = {"weight", "loss_weight", "train", "loss"};

bool has_text_key(const Json& turn, const char* key) {
  const auto found = turn.find(key);
  return found != turn.end() && found->is_string();
}

// Which keys of a turn hold its role and its text; null where there is none.
struct TurnKeys {
  const char* who = nullptr;
  const char* what = nullptr;
};

TurnKeys keys_of(const Json& turn, bool share_gpt) {
  TurnKeys keys;
  if (!turn.is_object()) return keys;
  const char* who[] = {share_gpt ? "from" : "role", share_gpt ? "role" : "from"};
  const char* what[] = {share_gpt ? "value" : "content", share_gpt ? "content" : "value"};
  for (const char* each : who) {
    if (keys.who == nullptr && has_text_key(turn, each)) keys.who = each;
  }
  for (const char* each : what) {
    if (keys.what == nullptr && turn.contains(each)) keys.what = each;
  }
  return keys;
}

// JSON text as the value it stands for; other text is nothing.
std::optional<Json> json_of_text(const Json& text) {
  try {
    return parse_json(text.get_ref<const std::string&>(), "");
  } catch (const FileError&) {
    return std::nullopt;
  }
}

// As json_of_text(); what is no JSON text stays as it is.
Json value_of_text(const Json& value) {
  return value.is_string() ? json_of_text(value).value_or(value) : value;
}

// A list whose elements may be JSON texts too; anything else as value_of_text().
Json list_of_texts(const Json& value) {
  Json list = value_of_text(value);
  if (!list.is_array()) return list;
  for (Json& each : list) each = value_of_text(each);
  return list;
}

// The calls of a turn: a list, its JSON text, or the older "function_call" with one call; null
// when it calls nothing, a string when the text is malformed.
Json calls_of(const Json& turn) {
  if (const auto calls = turn.find("tool_calls"); calls != turn.end() && !is_empty_value(*calls)) {
    return list_of_texts(*calls);
  }
  const auto call = turn.find("function_call");
  if (call == turn.end() || !call->is_object() || call->empty()) return nullptr;
  return Json::array({{{"type", "function"}, {"function", *call}}});
}

// 0 or false: not learned; absent, null, 1 or true: learned; anything else is no answer.
std::optional<bool> learned(const Json& turn, const char* key) {
  const auto found = turn.find(key);
  if (found == turn.end() || found->is_null()) return true;
  if (found->is_boolean()) return found->get<bool>();
  if (!found->is_number()) return std::nullopt;
  const double weight = found->get<double>();
  if (weight == 0) return false;
  return weight == 1 ? std::optional(true) : std::nullopt;
}

bool is_muted(const Json& turn) {
  for (const char* key : kWeightKeys) {
    if (learned(turn, key) == false) return true;
  }
  return false;
}

// "" when all weights are clear and say the same.
std::string weight_problem(const Json& turn) {
  const char* yes = nullptr;
  for (const char* key : kWeightKeys) {
    const auto found = turn.find(key);
    if (!learned(turn, key)) {
      return "has the " + std::string(key) + " " + dump_json(*found) +
             "; a turn is learned (1, true) or not (0, false)";
    }
    if (found != turn.end() && !found->is_null() && *learned(turn, key)) yes = key;
  }
  if (yes == nullptr || !is_muted(turn)) return "";
  return "is to be learned by its " + std::string(yes) + ", and not by another of its weights";
}

// A list of objects, or null.
bool are_calls(const Json& calls) {
  return calls.is_null() || (calls.is_array() && std::ranges::all_of(calls, [](const Json& call) {
                               return call.is_object();
                             }));
}

std::string turn_problem(const Json& turn, std::size_t index) {
  const std::string name = "message " + std::to_string(index) + " of the conversation ";
  const TurnKeys keys = keys_of(turn, false);
  const Json calls = turn.is_object() ? calls_of(turn) : Json();
  const bool silent = keys.what == nullptr || turn.at(keys.what).is_null();
  if (keys.who == nullptr || (silent && calls.is_null())) {
    return name + "lacks \"role\" or \"content\" (or ShareGPT's \"from\" or \"value\")";
  }
  if (!silent && !message_text(turn.at(keys.what))) {
    return name + "has a content that is neither text nor a list of text parts";
  }
  if (!are_calls(calls)) return name + "has \"tool_calls\" that are no list of objects";
  const std::string weights = weight_problem(turn);
  return weights.empty() ? "" : name + weights;
}

Json message_of(const Json& turn, bool share_gpt) {
  const TurnKeys keys = keys_of(turn, share_gpt);
  Json message = {{"role", canonical_role(turn.at(keys.who).get<std::string>())}};
  const bool silent = keys.what == nullptr || turn.at(keys.what).is_null();
  message["content"] = silent ? Json() : Json(message_text(turn.at(keys.what)).value());
  for (const auto& [key, value] : turn.items()) {
    if (value.is_null() || message.contains(key)) continue;
    if (key != keys.who && (keys.what == nullptr || key != keys.what)) message[key] = value;
  }
  Json calls = calls_of(turn);
  if (calls.is_null()) {
    // Templates ask whether there is a list of calls, and mean that it holds some.
    message.erase("tool_calls");
  } else {
    message.erase("function_call");
    message["tool_calls"] = std::move(calls);
  }
  return message;
}

MessageNote note_of(const Json& turn, bool share_gpt) {
  const std::string who = turn.at(keys_of(turn, share_gpt).who).get<std::string>();
  const std::string lower = to_lower_ascii(who);
  return {.muted = is_muted(turn), .call_text = lower == "function_call" || lower == "tool_call"};
}

}  // namespace

bool is_empty_value(const Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  return value.is_null() || ((value.is_array() || value.is_object()) && value.empty());
}

std::string canonical_role(const std::string& name) {
  const std::string lower = to_lower_ascii(name);
  for (const RoleName& each : kRoleNames) {
    if (lower == each.name) return each.role;
  }
  return name;
}

std::string turns_problem(const Json& turns) {
  if (turns.is_string()) return "the conversation is text, need a list of messages";
  if (!turns.is_array()) return "the conversation is not a list of messages";
  if (turns.empty()) return "the conversation is an empty list, need messages";
  for (std::size_t i = 0; i < turns.size(); ++i) {
    if (std::string problem = turn_problem(turns[i], i); !problem.empty()) return problem;
  }
  return "";
}

void append_turns(const Json& turns, bool share_gpt, Example& example) {
  if (!example.messages.is_array()) example.messages = Json::array();
  example.notes.resize(example.messages.size());
  for (const Json& turn : turns) {
    example.messages.push_back(message_of(turn, share_gpt));
    example.notes.push_back(note_of(turn, share_gpt));
  }
}

std::vector<std::string> further_fields(const Json& messages) {
  std::vector<std::string> names;
  if (!messages.is_array()) return names;
  for (const Json& message : messages) {
    if (!message.is_object()) continue;
    for (const auto& [key, value] : message.items()) {
      const bool is_weight =
          std::ranges::any_of(kWeightKeys, [&](const char* weight) { return key == weight; });
      if (is_weight || key == "role" || key == "content" || key == "tool_calls") continue;
      if (!is_empty_value(value) && !std::ranges::count(names, key)) names.push_back(key);
    }
  }
  return names;
}

std::int64_t asking_in_vain(const Json& messages) {
  const auto asks = [](const Json& message) {
    if (!message.is_object() || message.value("role", Json()) == Json("assistant")) return false;
    return std::ranges::any_of(kWeightKeys, [&](const char* key) {
      const auto weight = message.find(key);
      return weight != message.end() && !weight->is_null() && learned(message, key) == true;
    });
  };
  return messages.is_array() ? std::ranges::count_if(messages, asks) : 0;
}

std::string history_problem(const Json& history) {
  if (is_empty_value(history)) return "";
  const std::string what = "the history is not a list of [question, answer] pairs";
  if (!history.is_array()) return what;
  if (history[0].is_object()) return turns_problem(history);
  for (const Json& pair : history) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      return what;
    }
  }
  return "";
}

HistoryTurns history_turns(const Json& history) {
  if (is_empty_value(history)) return {};
  if (history[0].is_object()) {
    Example example;
    append_turns(history, false, example);
    return {std::move(example.messages), std::move(example.notes)};
  }
  Json messages = Json::array();
  for (const Json& pair : history) {
    messages.push_back({{"role", "user"}, {"content", pair[0]}});
    messages.push_back({{"role", "assistant"}, {"content", pair[1]}});
  }
  std::vector<MessageNote> notes(messages.size());
  return {std::move(messages), std::move(notes)};
}

std::string tools_problem(const Json& tools) {
  if (is_empty_value(tools)) return "";
  const Json list = list_of_texts(tools);
  if (!list.is_array() && !list.is_null()) {
    return "the tools are neither a list nor the JSON text of one";
  }
  const bool are_objects =
      std::ranges::all_of(list, [](const Json& tool) { return tool.is_object(); });
  return are_objects ? "" : "the tools hold something that is no object, nor the JSON text of one";
}

Json tools_list(const Json& tools) {
  if (is_empty_value(tools)) return nullptr;
  const Json list = list_of_texts(tools);
  return list.empty() ? Json(nullptr) : list;
}

}  // namespace svtune
