#include "data/record_format.h"

#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "data/prompt_text.h"
#include "data/turns.h"

namespace svtune {
namespace {

using FastObject = simdjson::dom::object;
using FastElement = simdjson::dom::element;

// Text of an optional column; "" when it is absent or null.
std::string optional_text(const Json& record, const std::string& column) {
  const auto found = record.find(column);
  return found != record.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Json value_of(const Json& record, const std::string& column) {
  const auto found = column.empty() ? record.end() : record.find(column);
  return found == record.end() ? Json() : *found;
}

bool is_empty_element(const FastElement& value) {
  switch (value.type()) {
    case simdjson::dom::element_type::NULL_VALUE:
      return true;
    case simdjson::dom::element_type::STRING:
      return std::string_view(value).empty();
    case simdjson::dom::element_type::ARRAY:
      return simdjson::dom::array(value).size() == 0;
    case simdjson::dom::element_type::OBJECT:
      return FastObject(value).size() == 0;
    default:
      return false;
  }
}

// Turns of {who, what} with text and nothing beside them.
bool has_plain_turns(const FastElement& value, std::string_view who, std::string_view what) {
  simdjson::dom::array turns;
  if (value.get(turns) != simdjson::SUCCESS || turns.size() == 0) return false;
  for (const FastElement& element : turns) {
    FastObject turn;
    if (element.get(turn) != simdjson::SUCCESS || turn.size() != 2) return false;
    for (const auto& field : turn) {
      if ((field.key != who && field.key != what) || !field.value.is_string()) return false;
    }
    if (turn.at_key(who).error() || turn.at_key(what).error()) return false;
  }
  return true;
}

// Whether a column that plays a part holds what needs no closer look.
bool is_plain(const FastElement& value, const std::string& part, RecordFormat format) {
  if (part == "history" || part == "tools" || part == "system") return is_empty_element(value);
  if (part != "messages") return value.is_string();
  return format == RecordFormat::kMessages ? has_plain_turns(value, "role", "content")
                                           : has_plain_turns(value, "from", "value");
}

// Two values of one key are compared by the slower reader.
bool may_repeat_a_key(const FastObject& record) {
  constexpr std::size_t kMost = 16;
  if (record.size() > kMost) return true;
  for (auto each = record.begin(); each != record.end(); ++each) {
    for (auto other = record.begin(); other != each; ++other) {
      if (each.key() == other.key()) return true;
    }
  }
  return false;
}

// All parts plain, the necessary ones exactly once.
bool has_plain_columns(const FastObject& record, const RecordColumns& columns) {
  std::size_t needed = 0, found = 0;
  for (const auto& [part, column] : columns.parts) {
    const bool optional =
        part == "history" || part == "tools" || part == "system" || part == "input";
    if (!optional && record.at_key(column).error()) return false;
    needed += optional ? 0 : 1;
    for (const auto& field : record) {
      if (field.key != column) continue;
      if (!is_plain(field.value, part, columns.format)) return false;
      found += optional ? 0 : 1;
    }
  }
  return found == needed;
}

// PiSSA's and SVFT's scripts split MetaMathQA's query at its first newline.
void split_query(Example& example) {
  const std::size_t newline = example.prompt.find('\n');
  if (newline == std::string::npos) return;
  example.input = example.prompt.substr(newline + 1);
  example.prompt.resize(newline);
}

// TRL's conversational prompt and completion: only the completion is learned. Text on one side
// is a message of its usual role.
void append_side(const Json& side, const char* role, bool in_prompt, Example& example) {
  const std::size_t begin = example.messages.size();
  if (side.is_array()) {
    append_turns(side, false, example);
  } else {
    append_turns(Json::array({{{"role", role}, {"content", side}}}), false, example);
  }
  for (std::size_t i = begin; i < example.notes.size(); ++i) {
    example.notes[i].in_prompt = in_prompt;
  }
}

bool starts_with_system(const Example& example) {
  return !example.messages.empty() && example.messages[0].at("role") == "system";
}

// Puts earlier turns in front of the conversation, behind its system message.
void prepend(const HistoryTurns& earlier, Example& example) {
  const auto at = starts_with_system(example) ? 1 : 0;
  const Json& messages = earlier.messages;
  example.messages.insert(example.messages.begin() + at, messages.begin(), messages.end());
  example.notes.insert(example.notes.begin() + at, earlier.notes.begin(), earlier.notes.end());
}

void prepend_system(const std::string& system, Example& example) {
  if (system.empty() || starts_with_system(example)) return;
  prepend({Json::array({{{"role", "system"}, {"content", system}}}), {MessageNote{}}}, example);
}

// Preference data often hold the prompt in the answer once more.
bool begins_with(const Json& turns, const Json& prompt) {
  Example all, first;
  append_turns(turns, false, all);
  if (!prompt.is_string()) {
    append_turns(prompt, false, first);
    return all.messages.size() >= first.messages.size() &&
           std::equal(first.messages.begin(), first.messages.end(), all.messages.begin());
  }
  const std::size_t user = starts_with_system(all) ? 1 : 0;
  return user < all.messages.size() && all.messages[user].at("role") == "user" &&
         all.messages[user].at("content") == prompt;
}

}  // namespace

struct RecordReader::FastParser {
  static constexpr std::size_t kDepth = 64;  // as JsonOptions
  FastParser() { ready = parser.allocate(std::size_t{1} << 16, kDepth) == simdjson::SUCCESS; }
  simdjson::dom::parser parser;
  bool ready = false;
};

RecordReader::~RecordReader() = default;

RecordReader::RecordReader(RecordReaderOptions options)
    : options_(std::move(options)), fast_(std::make_unique<FastParser>()) {
  check_parts(options_.columns);
}

std::string RecordReader::settle(const Json& record) {
  SettledColumns settled =
      settle_columns(options_.format, options_.columns, record, options_.answers);
  if (!settled.problem.empty()) return settled.problem;
  columns_ = std::move(settled.columns);
  settled_ = true;
  return "";
}

std::string RecordReader::missing(const Json& record, const std::string& part) const {
  const std::string column = columns_.of(part);
  if (record.contains(column)) return "";
  std::vector<std::string> present;
  for (const auto& [key, value] : record.items()) present.push_back(key);
  return "field \"" + column + "\" is missing" + nearest_column(column, present);
}

// Columns that stand beside prompts and conversations.
std::string RecordReader::check_side_columns(const Json& record) const {
  for (const char* part : {"input", "system"}) {
    const std::string column = columns_.of(part);
    const Json value = value_of(record, column);
    if (!is_empty_value(value) && !value.is_string()) {
      return "field \"" + column + "\" must be a string";
    }
  }
  std::string problem = tools_problem(value_of(record, columns_.of("tools")));
  if (problem.empty()) problem = history_problem(value_of(record, columns_.of("history")));
  return problem;
}

std::string RecordReader::check_pair(const Json& record) const {
  for (const char* part : {"prompt", "completion"}) {
    const std::string column = columns_.of(part);
    const bool optional = !options_.answers && std::string_view(part) == "completion";
    if (optional && !record.contains(column)) continue;
    if (std::string problem = missing(record, part); !problem.empty()) return problem;
    const Json& value = record.at(column);
    if (value.is_string() || optional) continue;
    if (!value.is_array()) return "field \"" + column + "\" must be a string";
    if (std::string problem = turns_problem(value); !problem.empty()) {
      return "field \"" + column + "\": " + problem;
    }
    if (std::string_view(part) == "prompt" &&
        !is_empty_value(value_of(record, columns_.of("input")))) {
      return "field \"" + columns_.of("input") + "\" cannot stand beside a prompt of messages";
    }
  }
  std::string problem = check_side_columns(record);
  if (problem.empty() && record.at(columns_.of("prompt")).is_array()) {
    problem = check_system(record, pair(record));
  }
  return problem.empty() ? check_repetition(record) : problem;
}

std::string RecordReader::check_system(const Json& record, const Example& example) const {
  const std::string system = optional_text(record, columns_.of("system"));
  if (system.empty() || example.messages[0].at("content") == system) return "";
  return "the column \"" + columns_.of("system") +
         "\" and the first message are system messages that differ";
}

std::string RecordReader::check_repetition(const Json& record) const {
  const Json completion = completion_of(record);
  if (!completion.is_array() || !begins_with(completion, record.at(columns_.of("prompt")))) {
    return "";
  }
  const std::string column = columns_.of("completion");
  return "field \"" + column + "\" begins with the prompt, which would stand there twice; it " +
         "holds the whole conversation: --columns messages=" + column;
}

// Null where no answers are wanted, whatever stands there.
Json RecordReader::completion_of(const Json& record) const {
  return options_.answers ? value_of(record, columns_.of("completion")) : Json();
}

std::string RecordReader::check_conversation(const Json& record) const {
  if (std::string problem = missing(record, "messages"); !problem.empty()) return problem;
  const Json& turns = record.at(columns_.of("messages"));
  if (std::string problem = turns_problem(turns); !problem.empty()) return problem;
  if (std::string problem = check_side_columns(record); !problem.empty()) return problem;
  return check_system(record, conversation(record));
}

std::string RecordReader::check(const Json& record) const {
  if (columns_.is_pair()) return check_pair(record);
  if (columns_.format != RecordFormat::kText) return check_conversation(record);
  std::string problem = missing(record, "text");
  if (problem.empty() && !record.at(columns_.of("text")).is_string()) {
    problem = "field \"" + columns_.of("text") + "\" must be a string";
  }
  return problem;
}

std::string RecordReader::problem(const Json& record) {
  if (!settled_) {
    if (std::string problem = settle(record); !problem.empty()) return problem;
  }
  std::string problem = check(record);
  if (!problem.empty()) return problem;
  next_seen_ = 0;
  const std::string tools = columns_.of("tools");
  for (const auto& [key, value] : record.items()) {
    // The JSON text of an empty list holds no tools either.
    const bool are_tools = !tools.empty() && key == tools;
    see(key, are_tools ? tools_list(value).is_null() : is_empty_value(value));
  }
  return "";
}

bool RecordReader::surely_fits(std::string_view text) {
  if (!settled_ || !fast_->ready) return false;
  FastObject record;
  if (fast_->parser.parse(text.data(), text.size()).get(record) != simdjson::SUCCESS) return false;
  if (!has_plain_columns(record, columns_) || may_repeat_a_key(record)) return false;
  next_seen_ = 0;
  for (const auto& field : record) see(field.key, is_empty_element(field.value));
  return true;
}

void RecordReader::see(std::string_view column, bool empty) {
  // Records mostly have the same columns in the same order.
  std::size_t at = next_seen_;
  if (at >= seen_.size() || seen_[at].name != column) {
    at = 0;
    while (at < seen_.size() && seen_[at].name != column) ++at;
  }
  constexpr std::size_t kMostColumns = 1000;
  if (at == seen_.size()) {
    if (at == kMostColumns) return;
    seen_.push_back({std::string(column), 0});
  }
  if (!empty) ++seen_[at].rows;
  next_seen_ = at + 1;
}

std::vector<ColumnCount> RecordReader::column_counts() const {
  std::vector<ColumnCount> counts;
  for (const Seen& each : seen_) {
    counts.push_back({each.name, columns_.part_of(each.name), each.rows});
  }
  return counts;
}

void RecordReader::check_mapped_columns() const {
  if (!settled_ || seen_.empty()) return;
  require_mapped_columns(options_.columns, column_counts(), options_.answers);
}

void require_mapped_columns(const ColumnMap& mapped, const std::vector<ColumnCount>& counts,
                            bool answers) {
  std::vector<std::string> present;
  for (const ColumnCount& each : counts) present.push_back(each.name);
  for (const auto& [part, column] : mapped) {
    if (std::find(present.begin(), present.end(), column) != present.end()) continue;
    if (part == "completion" && !answers) continue;
    throw UsageError("--columns " + part + "=" + column + ": no record has the column \"" + column +
                         "\"" + nearest_column(column, present),
                     "Name a column that is there, or leave " + part + " out.");
  }
}

Example RecordReader::conversation(const Json& record) const {
  Example example;
  example.kind = ExampleKind::kMessages;
  append_turns(record.at(columns_.of("messages")), columns_.format == RecordFormat::kConversations,
               example);
  prepend_system(optional_text(record, columns_.of("system")), example);
  example.tools = tools_list(value_of(record, columns_.of("tools")));
  return example;
}

// Prompt and completion of which one is a list of messages.
void RecordReader::read_sides(const Json& record, Example& example) const {
  example.kind = ExampleKind::kMessages;
  Json prompt = record.at(columns_.of("prompt"));
  const std::string input = optional_text(record, columns_.of("input"));
  if (prompt.is_string()) prompt = joined_prompt(prompt.get<std::string>(), input, "\n\n");
  append_side(prompt, "user", true, example);
  const Json completion = completion_of(record);
  if (!completion.is_null()) append_side(completion, "assistant", false, example);
  const HistoryTurns history = history_turns(value_of(record, columns_.of("history")));
  if (!history.messages.is_null()) prepend(history, example);
  prepend_system(optional_text(record, columns_.of("system")), example);
}

Example RecordReader::pair(const Json& record) const {
  Example example;
  const Json& prompt = record.at(columns_.of("prompt"));
  example.tools = tools_list(value_of(record, columns_.of("tools")));
  const Json completion = completion_of(record);
  if (prompt.is_array() || completion.is_array()) {
    read_sides(record, example);
    return example;
  }
  example.prompt = prompt.get<std::string>();
  if (completion.is_string()) example.completion = completion.get<std::string>();
  example.input = optional_text(record, columns_.of("input"));
  example.system = optional_text(record, columns_.of("system"));
  HistoryTurns history = history_turns(value_of(record, columns_.of("history")));
  example.history = std::move(history.messages);
  example.history_notes = std::move(history.notes);
  if (columns_.format == RecordFormat::kMetaMath) split_query(example);
  return example;
}

Example RecordReader::example(const Json& record) const {
  if (columns_.is_pair()) return pair(record);
  if (columns_.format != RecordFormat::kText) return conversation(record);
  Example example;
  example.kind = ExampleKind::kText;
  example.completion = record.at(columns_.of("text")).get<std::string>();
  return example;
}

}  // namespace svtune
