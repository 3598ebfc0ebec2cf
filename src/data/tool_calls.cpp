#include "data/tool_calls.h"

#include <utility>

#include "base/errors.h"

namespace svtune {
namespace {

// What holds name and arguments: the call's "function", or the call itself.
template <class Call>
auto& function_of(Call& call) {
  return call.contains("function") && call["function"].is_object() ? call["function"] : call;
}

// The arguments of every call, wherever they stand.
template <class Message, class Visit>
void for_each_arguments(Message& message, Visit visit) {
  if (!has_calls(message)) return;
  for (auto& call : message["tool_calls"]) {
    if (!call.is_object()) continue;
    auto& function = function_of(call);
    if (function.contains("arguments")) visit(function["arguments"]);
  }
}

}  // namespace

bool has_calls(const Json& message) {
  const auto calls = message.find("tool_calls");
  return calls != message.end() && calls->is_array() && !calls->empty();
}

bool rename_call(Json& call) {
  if (!call.is_object()) return false;
  Json& function = function_of(call);
  const auto name = function.find("name");
  if (name == function.end() || !name->is_string()) return false;
  *name = name->get<std::string>() + "_renamed";
  return true;
}

std::string quoted_inside(const std::string& text) {
  const std::string quoted = dump_json(Json(text));
  return quoted.substr(1, quoted.size() - 2);
}

Json with_argument_values(Json messages) {
  for (Json& message : messages) {
    for_each_arguments(message, [](Json& arguments) {
      if (!arguments.is_string()) return;
      try {
        arguments = parse_json(arguments.get<std::string>(), "");
      } catch (const FileError&) {
        return;  // no JSON: stays text
      }
    });
  }
  return messages;
}

Json with_argument_texts(Json messages) {
  for (Json& message : messages) {
    for_each_arguments(message, [](Json& arguments) {
      if (!arguments.is_string()) arguments = dump_json(arguments);
    });
  }
  return messages;
}

bool quoted_twice(const Json& messages, const std::string& text) {
  bool twice = false;
  for (const Json& message : messages) {
    for_each_arguments(message, [&](const Json& arguments) {
      if (!arguments.is_string()) return;
      const std::string& given = arguments.get_ref<const std::string&>();
      const std::string quoted = quoted_inside(given);
      twice = twice || (quoted != given && text.find(quoted) != std::string::npos);
    });
  }
  return twice;
}

std::optional<Json> calls_of_text(const std::string& text) {
  Json parsed;
  try {
    parsed = parse_json(text, "");
  } catch (const FileError&) {
    return std::nullopt;
  }
  if (parsed.is_object()) parsed = Json::array({parsed});
  if (!parsed.is_array() || parsed.empty()) return std::nullopt;
  Json calls = Json::array();
  for (Json& call : parsed) {
    if (!call.is_object() || !call.contains("name")) return std::nullopt;
    if (!call.contains("arguments") && call.contains("parameters")) {
      call["arguments"] = Json(call["parameters"]);
      call.erase("parameters");
    }
    if (!call.contains("arguments")) return std::nullopt;
    calls.push_back({{"type", "function"}, {"function", std::move(call)}});
  }
  return calls;
}

}  // namespace svtune
