#include "data/record_format.h"

#include <simdjson.h>

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
    {RecordFormat::kMetaMath, "query", "response"},
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

bool has_calls(const Json& turn) {
  const auto calls = turn.find("tool_calls");
  return calls != turn.end() && calls->is_array() && !calls->empty();
}

// A message that calls tools may lack its content.
std::string check_turns(const Json& turns, const char* who, const char* what) {
  if (!turns.is_array() || turns.empty()) return "the conversation is not a list of messages";
  for (std::size_t i = 0; i < turns.size(); ++i) {
    const Json& turn = turns[i];
    std::string text;
    const bool named = turn.is_object() && turn.contains(who) && turn.at(who).is_string();
    const bool silent =
        named && has_calls(turn) && (!turn.contains(what) || turn.at(what).is_null());
    if (!named || (!silent && (!turn.contains(what) || !content_text(turn.at(what), text)))) {
      return "message " + std::to_string(i) + " of the conversation lacks \"" + who + "\" or \"" +
             what + "\"";
    }
  }
  return "";
}

// Role and content as the templates expect them; other keys (tool_calls, name) are kept.
Json normal_messages(const Json& turns, const char* who, const char* what) {
  Json messages = Json::array();
  for (const Json& turn : turns) {
    Json message = {{"role", role_of(turn.at(who).get<std::string>())}};
    std::string text;
    if (turn.contains(what) && content_text(turn.at(what), text)) {
      message["content"] = std::move(text);
    } else {
      message["content"] = "";
    }
    for (const auto& [key, value] : turn.items()) {
      if (key != who && key != what && !message.contains(key)) message[key] = value;
    }
    messages.push_back(std::move(message));
  }
  return messages;
}

std::string check_text(const Json& record, const std::string& key) {
  const auto found = record.find(key);
  if (found == record.end()) return "field \"" + key + "\" is missing";
  if (!found->is_string()) return "field \"" + key + "\" must be a string";
  return "";
}

// The value of the key's last occurrence, as parse_json() takes it.
bool has_text(const simdjson::dom::object& record, std::string_view key) {
  bool found = false;
  for (const auto& field : record) {
    if (field.key == key) found = field.value.is_string();
  }
  return found;
}

bool has_turns(const simdjson::dom::object& record, std::string_view key, std::string_view who,
               std::string_view what) {
  simdjson::dom::array turns;
  if (record.at_key(key).get(turns) != simdjson::SUCCESS || turns.size() == 0) return false;
  std::size_t keys = 0;
  for (const auto& field : record) keys += field.key == key;
  for (const simdjson::dom::element& element : turns) {
    simdjson::dom::object turn;
    if (element.get(turn) != simdjson::SUCCESS || !has_text(turn, who) || !has_text(turn, what)) {
      return false;
    }
  }
  return keys == 1;
}

// PiSSA's and SVFT's scripts split MetaMathQA's query at its first newline.
void split_query(Example& example) {
  const std::size_t newline = example.prompt.find('\n');
  if (newline == std::string::npos) return;
  example.input = example.prompt.substr(newline + 1);
  example.prompt.resize(newline);
}

}  // namespace

struct RecordReader::FastParser {
  static constexpr std::size_t kDepth = 64;  // as JsonOptions
  FastParser() { ready = parser.allocate(std::size_t{1} << 16, kDepth) == simdjson::SUCCESS; }
  simdjson::dom::parser parser;
  bool ready = false;
};

RecordReader::~RecordReader() = default;

RecordReader::RecordReader(RecordFormat format, ColumnMap columns)
    : format_(format), columns_(std::move(columns)), fast_(std::make_unique<FastParser>()) {
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

bool RecordReader::surely_fits(std::string_view text) {
  if (format_ == RecordFormat::kAuto || !fast_->ready) return false;
  simdjson::dom::object record;
  if (fast_->parser.parse(text.data(), text.size()).get(record) != simdjson::SUCCESS) return false;
  switch (format_) {
    case RecordFormat::kText:
      return has_text(record, column("text"));
    case RecordFormat::kMessages:
      return has_turns(record, column("messages"), "role", "content");
    case RecordFormat::kConversations:
      return has_turns(record, column("messages"), "from", "value");
    default:
      return has_text(record, column("prompt")) && has_text(record, column("completion"));
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
    case RecordFormat::kConversations: {
      const bool share_gpt = format_ == RecordFormat::kConversations;
      example.kind = ExampleKind::kMessages;
      example.messages = normal_messages(record.at(column("messages")), share_gpt ? "from" : "role",
                                         share_gpt ? "value" : "content");
      if (const auto tools = record.find("tools"); tools != record.end() && tools->is_array()) {
        example.tools = *tools;
      }
      return example;
    }
    default:
      example.prompt = record.at(column("prompt")).get<std::string>();
      example.completion = record.at(column("completion")).get<std::string>();
      if (const auto input = record.find(column("input"));
          input != record.end() && input->is_string()) {
        example.input = input->get<std::string>();
      }
      if (format_ == RecordFormat::kMetaMath) split_query(example);
      return example;
  }
}

}  // namespace svtune
