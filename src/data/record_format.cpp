#include "data/record_format.h"

#include <array>
#include <utility>

#include "base/errors.h"

namespace svtune {
namespace {

constexpr const char* kRoles[] = {"prompt", "input", "completion", "messages", "text"};

struct Layout {
  RecordFormat format;
  const char* prompt;
  const char* completion;
};
constexpr Layout kPairs[] = {
    {RecordFormat::kAlpaca, "instruction", "output"},
    {RecordFormat::kPromptCompletion, "prompt", "completion"},
    {RecordFormat::kQueryResponse, "query", "response"},
    {RecordFormat::kQuestionAnswer, "question", "answer"},
};

const Layout* layout_of(RecordFormat format) {
  for (const Layout& each : kPairs) {
    if (each.format == format) return &each;
  }
  return nullptr;
}

// Text of a message: a string or a list of {type, text} parts.
bool content_text(const Json& content, std::string& out) {
  if (content.is_string()) {
    out = content.get<std::string>();
    return true;
  }
  if (!content.is_array()) return false;
  for (const Json& part : content) {
    if (!part.is_object()) return false;
    const char* key = part.contains("text") ? "text" : "value";
    if (!part.contains(key) || !part.at(key).is_string()) return false;
    out += part.at(key).get<std::string>();
  }
  return true;
}

std::string role_of(const std::string& from) {
  if (from == "human" || from == "user") return "user";
  if (from == "gpt" || from == "assistant" || from == "model") return "assistant";
  return from;
}

std::string check_turns(const Json& turns, const char* who, const char* what) {
  if (!turns.is_array() || turns.empty()) return "the conversation is not a list of messages";
  for (const Json& turn : turns) {
    std::string text;
    if (!turn.is_object() || !turn.contains(who) || !turn.at(who).is_string() ||
        !turn.contains(what) || !content_text(turn.at(what), text)) {
      return "a message lacks \"" + std::string(who) + "\" or \"" + what + "\"";
    }
  }
  return "";
}

Json normal_messages(const Json& turns, const char* who, const char* what) {
  Json messages = Json::array();
  for (const Json& turn : turns) {
    std::string text;
    content_text(turn.at(what), text);
    messages.push_back({{"role", role_of(turn.at(who).get<std::string>())}, {"content", text}});
  }
  return messages;
}

std::string check_text(const Json& record, const std::string& key) {
  const auto found = record.find(key);
  if (found == record.end()) return "field \"" + key + "\" is missing";
  if (!found->is_string()) return "field \"" + key + "\" must be a string";
  return "";
}

}  // namespace

RecordReader::RecordReader(RecordFormat format, ColumnMap columns)
    : format_(format), columns_(std::move(columns)) {
  for (const auto& [role, name] : columns_) {
    bool known = false;
    for (const char* each : kRoles) known = known || role == each;
    if (!known) {
      throw UsageError("--columns: unknown role \"" + role + "\"",
                       "Roles are prompt, input, completion, messages and text.");
    }
  }
}

std::string RecordReader::column(const std::string& role) const {
  if (const auto found = columns_.find(role); found != columns_.end()) return found->second;
  const Layout* layout = layout_of(format_);
  if (layout != nullptr && role == "prompt") return layout->prompt;
  if (layout != nullptr && role == "completion") return layout->completion;
  if (role == "messages" && format_ == RecordFormat::kConversations) return "conversations";
  return role;
}

std::string RecordReader::settle(const Json& record) {
  if (format_ != RecordFormat::kAuto) return "";
  if (columns_.contains("prompt") || columns_.contains("completion")) {
    format_ = RecordFormat::kPromptCompletion;
  } else if (columns_.contains("messages")) {
    format_ = RecordFormat::kMessages;
  } else if (columns_.contains("text")) {
    format_ = RecordFormat::kText;
  }
  for (const Layout& each : kPairs) {
    if (format_ == RecordFormat::kAuto && record.contains(each.prompt) &&
        record.contains(each.completion)) {
      format_ = each.format;
    }
  }
  if (format_ != RecordFormat::kAuto) return "";
  if (record.contains("messages")) {
    format_ = RecordFormat::kMessages;
  } else if (record.contains("conversations")) {
    format_ = RecordFormat::kConversations;
  } else if (record.contains("text")) {
    format_ = RecordFormat::kText;
  } else {
    std::string keys;
    for (const auto& [key, value] : record.items()) keys += (keys.empty() ? "" : ", ") + key;
    return "cannot tell prompt and completion from the keys " + keys + "; name them with --columns";
  }
  return "";
}

std::string RecordReader::problem(const Json& record) {
  if (std::string text = settle(record); !text.empty()) return text;
  switch (format_) {
    case RecordFormat::kText:
      return check_text(record, column("text"));
    case RecordFormat::kMessages:
    case RecordFormat::kConversations: {
      const std::string key = column("messages");
      if (!record.contains(key)) return "field \"" + key + "\" is missing";
      return format_ == RecordFormat::kMessages ? check_turns(record.at(key), "role", "content")
                                                : check_turns(record.at(key), "from", "value");
    }
    default: {
      std::string text = check_text(record, column("prompt"));
      if (text.empty()) text = check_text(record, column("completion"));
      return text;
    }
  }
}

Example RecordReader::example(const Json& record) const {
  Example example;
  switch (format_) {
    case RecordFormat::kText:
      example.kind = ExampleKind::kText;
      example.completion = record.at(column("text")).get<std::string>();
      return example;
    case RecordFormat::kMessages:
      example.kind = ExampleKind::kMessages;
      example.messages = normal_messages(record.at(column("messages")), "role", "content");
      return example;
    case RecordFormat::kConversations:
      example.kind = ExampleKind::kMessages;
      example.messages = normal_messages(record.at(column("messages")), "from", "value");
      return example;
    default:
      example.prompt = record.at(column("prompt")).get<std::string>();
      example.completion = record.at(column("completion")).get<std::string>();
      if (const auto input = record.find(column("input"));
          input != record.end() && input->is_string()) {
        example.input = input->get<std::string>();
      }
      return example;
  }
}

}  // namespace svtune
