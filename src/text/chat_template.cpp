#include "text/chat_template.h"

#include <algorithm>

#include "base/errors.h"
#include "base/text_util.h"
#include "jinja/error.h"
#include "jinja/parser.h"
#include "text/builtin_chat_templates.h"

namespace svtune {
namespace {

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::set<std::string, std::less<>> names_of_source(std::string_view source) {
  std::set<std::string, std::less<>> names;
  for (auto at = source.begin(); at != source.end();) {
    const auto begin = std::find_if(at, source.end(), is_name_char);
    at = std::find_if_not(begin, source.end(), is_name_char);
    if (begin != at) names.emplace(begin, at);
  }
  return names;
}

// As ChatTemplate::mentions(), also for words that are no names, such as keys with a space.
bool has_word(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    const bool starts = at == 0 || !is_name_char(text[at - 1]);
    if (starts && (end == text.size() || !is_name_char(text[end]))) return true;
  }
  return false;
}

void check_messages(const Json& messages, const std::string& name) {
  if (!messages.is_array()) throw FileError(name, "the messages are not a list");
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i].is_object()) {
      throw FileError(name, "message " + std::to_string(i) + " is not an object");
    }
  }
}

// The template sees reasoning under each name that it may read.
Json with_reasoning_aliases(const Json& message) {
  for (const char* name : kReasoningNames) {
    const auto found = message.find(name);
    if (found == message.end() || found->is_null()) continue;
    Json aliased = message;
    if (!aliased.contains("thinking")) aliased["thinking"] = *found;
    aliased["reasoning_content"] = *found;
    return aliased;
  }
  return message;
}

jinja::Value messages_value(const Json& messages, bool flatten_content) {
  Json prepared = Json::array();
  for (const Json& message : messages) {
    prepared.push_back(with_reasoning_aliases(message));
    if (!flatten_content || !message.contains("content")) continue;
    if (auto text = message_text(message["content"])) prepared.back()["content"] = *text;
  }
  return jinja::Value::from_json(prepared);
}

// A picture may have a caption under "text", which is not all of it.
bool is_text_part(const Json& part) {
  const auto type = part.find("type");
  return type == part.end() || type->is_null() || *type == "text" || *type == "input_text" ||
         *type == "output_text";
}

void set_variable(jinja::Variables& variables, const std::string& name, jinja::Value value) {
  for (auto& [key, held] : variables) {
    if (key == name) {
      held = std::move(value);
      return;
    }
  }
  variables.emplace_back(name, std::move(value));
}

}  // namespace

ChatTemplate ChatTemplate::parse(std::string source, std::string name) {
  ChatTemplate result;
  result.tree_ =
      std::make_shared<const jinja::TemplateTree>(jinja::parse_template(source, std::move(name)));
  result.source_ = std::move(source);
  result.names_ = names_of_source(result.source_);
  return result;
}

bool ChatTemplate::mentions(std::string_view word) const {
  return std::ranges::all_of(word, is_name_char) ? names_.contains(word) : has_word(source_, word);
}

bool ChatTemplate::reads_field(std::string_view field) const {
  const bool is_reasoning =
      std::ranges::any_of(kReasoningNames, [&](std::string_view name) { return name == field; });
  return mentions(field) ||
         (is_reasoning && (mentions("thinking") || mentions("reasoning_content")));
}

ChatTemplate ChatTemplate::builtin(std::string_view family) {
  for (const BuiltinChatTemplate& each : builtin_chat_templates()) {
    if (each.name != family) continue;
    ChatTemplate result =
        parse(std::string(each.source), "built-in chat template " + std::string(family));
    result.flatten_content_ = true;
    return result;
  }
  std::vector<std::string> names(builtin_names().begin(), builtin_names().end());
  throw UsageError("there is no built-in chat template '" + std::string(family) + "'",
                   "use one of: " + join(names, ", "));
}

std::span<const std::string_view> ChatTemplate::builtin_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> out;
    for (const BuiltinChatTemplate& each : builtin_chat_templates()) out.push_back(each.name);
    return out;
  }();
  return names;
}

jinja::Rendering ChatTemplate::run(const Json& messages, const ChatOptions& options) const {
  check_messages(messages, name());
  jinja::Variables variables;
  variables.emplace_back("add_generation_prompt",
                         jinja::Value::boolean(options.add_generation_prompt));
  variables.emplace_back("tools", jinja::Value::none());
  variables.emplace_back("documents", jinja::Value::none());
  if (options.bos_token) {
    variables.emplace_back("bos_token",
                           jinja::Value::text(replace_invalid_utf8(*options.bos_token)));
  }
  if (options.eos_token) {
    variables.emplace_back("eos_token",
                           jinja::Value::text(replace_invalid_utf8(*options.eos_token)));
  }
  try {
    variables.emplace_back("messages", messages_value(messages, flatten_content_));
    for (const auto& [key, value] : options.variables.items()) {
      set_variable(variables, key, jinja::Value::from_json(value));
    }
  } catch (const jinja::EvalError& error) {
    throw FileError(name(), std::string("the messages: ") + error.what());
  }
  return jinja::render(*tree_, std::move(variables), {}, options.now);
}

RenderedChat ChatTemplate::render(const Json& messages, const ChatOptions& options) const {
  jinja::Rendering rendering = run(messages, options);
  RenderedChat chat;
  chat.text = std::move(rendering.text);
  if (rendering.generation_known) chat.assistant = std::move(rendering.generation);
  return chat;
}

std::optional<std::string> message_text(const Json& content) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) return std::nullopt;
  std::string text;
  for (const Json& part : content) {
    if (!part.is_object() || !is_text_part(part)) return std::nullopt;
    const auto body = part.contains("text") ? part.find("text") : part.find("value");
    if (body == part.end() || !body->is_string()) return std::nullopt;
    text += body->get_ref<const std::string&>();
  }
  return text;
}

}  // namespace svtune
