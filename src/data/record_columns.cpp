#include "data/record_columns.h"

#include <algorithm>

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {
namespace {

const std::vector<std::string>& part_names() {
  static const std::vector<std::string> names = {"prompt", "input",  "completion", "messages",
                                                 "text",   "system", "history",    "tools"};
  return names;
}

struct Layout {
  RecordFormat format;
  const char* prompt;
  const char* completion;
};
// Known data sets; the first that fits counts.
constexpr Layout kLayouts[] = {
    {RecordFormat::kAlpaca, "instruction", "output"},
    {RecordFormat::kPromptCompletion, "prompt", "completion"},
    {RecordFormat::kQueryResponse, "query", "response"},
    {RecordFormat::kMetaMath, "query", "response"},
    {RecordFormat::kQuestionAnswer, "question", "answer"},
};

// Names that other data sets give to question and answer.
constexpr std::string_view kPrompts[] = {"instruction", "prompt", "query", "question", "problem"};
constexpr std::string_view kAnswers[] = {"output", "completion", "response", "answer", "solution"};

std::vector<std::string> keys_of(const Json& record) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : record.items()) keys.push_back(key);
  return keys;
}

// The record's keys that are one of the names, in any capitalisation.
std::vector<std::string> keys_among(const Json& record, std::span<const std::string_view> names) {
  std::vector<std::string> found;
  for (const std::string& key : keys_of(record)) {
    if (std::ranges::find(names, to_lower_ascii(key)) != names.end()) found.push_back(key);
  }
  return found;
}

// The record's key that holds a list of objects, when it has no other key with a list; "" without.
std::string list_of_objects(const Json& record) {
  std::string found;
  for (const auto& [key, value] : record.items()) {
    if (!value.is_array() || value.empty() || !value[0].is_object()) continue;
    if (!found.empty()) return "";
    found = key;
  }
  return found;
}

// The record's key that is the first possible of the names, else that name.
std::string first_present(const Json& record, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (record.contains(name)) return std::string(name);
    const std::vector<std::string> spelt = keys_among(record, {&name, 1});
    if (!spelt.empty()) return spelt[0];
  }
  return std::string(*names.begin());
}

class Settler {
 public:
  Settler(const ColumnMap& mapped, const Json& record, bool answers)
      : mapped_(mapped), record_(record), answers_(answers) {}

  SettledColumns settle(RecordFormat format) {
    SettledColumns settled;
    format_ = format;
    if (format == RecordFormat::kAuto) settled.problem = detect();
    if (!settled.problem.empty()) return settled;
    settled.columns.format = format_;
    fill(settled.columns);
    return settled;
  }

 private:
  bool has(const char* key) const { return record_.contains(key); }
  bool is_mapped(const char* part) const { return mapped_.contains(part); }

  // "" when format_ is settled.
  std::string detect() {
    if (is_mapped("prompt") || is_mapped("completion")) return choose_pair();
    if (is_mapped("messages")) return choose(RecordFormat::kMessages);
    if (is_mapped("text")) return choose(RecordFormat::kText);
    for (const Layout& each : kLayouts) {
      if (has(each.prompt) && has(each.completion)) return choose(each.format);
    }
    if (has("messages")) return choose(RecordFormat::kMessages);
    if (has("conversations")) return choose(RecordFormat::kConversations);
    if (has("text")) return choose(RecordFormat::kText);
    return choose_pair();
  }

  std::string choose(RecordFormat format) {
    format_ = format;
    return "";
  }

  // Question and answer under other names, or one of them mapped.
  std::string choose_pair() {
    format_ = RecordFormat::kPromptCompletion;
    std::vector<std::string> prompts = keys_among(record_, kPrompts);
    std::vector<std::string> answers = keys_among(record_, kAnswers);
    if (prompts.empty() && has("input") && !is_mapped("input")) prompts = {"input"};
    std::string problem = pick("prompt", prompts, answers);
    if (problem.empty()) problem = pick("completion", answers, prompts);
    return problem;
  }

  // Takes the one candidate for a part that is not mapped.
  std::string pick(const char* part, const std::vector<std::string>& candidates,
                   const std::vector<std::string>& others) {
    if (is_mapped(part)) return "";
    const bool optional = !answers_ && std::string_view(part) == "completion";
    if (candidates.size() == 1 || (optional && !candidates.empty())) {
      found_[part] = candidates[0];
      return "";
    }
    if (optional) return "";
    const bool other_mapped = is_mapped("prompt") || is_mapped("completion");
    if (candidates.empty() && other_mapped) return "";  // the plain name, reported when missing
    if (candidates.size() > 1 && (!others.empty() || other_mapped)) {
      return "the columns " + join(candidates, ", ") + " may all be the " + part +
             "; name one with --columns " + part + "=" + candidates[0];
    }
    const std::string list = list_of_objects(record_);
    const std::string inside =
        list.empty()
            ? ""
            : ". Are the records, or the messages, in the list \"" + list + "\"? jq -c '." + list +
                  "[]' FILE makes lines of records, --columns messages=" + list + " names messages";
    return "cannot tell prompt and completion from the keys " + join(keys_of(record_), ", ") +
           "; name them with --columns" + inside;
  }

  void fill(RecordColumns& columns) const {
    const bool pair = columns.is_pair();
    if (pair) {
      columns.parts["prompt"] = "prompt";
      columns.parts["completion"] = "completion";
      for (const Layout& each : kLayouts) {
        if (each.format != format_) continue;
        columns.parts["prompt"] = each.prompt;
        columns.parts["completion"] = each.completion;
      }
      for (const auto& [part, name] : found_) columns.parts[part] = name;
      fill_input(columns);
    }
    if (format_ == RecordFormat::kMessages) columns.parts["messages"] = "messages";
    if (format_ == RecordFormat::kConversations) columns.parts["messages"] = "conversations";
    if (format_ == RecordFormat::kText) columns.parts["text"] = "text";
    if (format_ != RecordFormat::kText) {
      columns.parts["system"] = first_present(record_, {"system", "system_prompt"});
      columns.parts["tools"] = "tools";
    }
    if (pair) columns.parts["history"] = "history";
    apply_mapped(columns);
  }

  // Alpaca's input; Dolly calls it context.
  void fill_input(RecordColumns& columns) const {
    const std::string prompt = to_lower_ascii(columns.of("prompt"));
    if (prompt == "input") return;
    columns.parts["input"] = prompt == "instruction" ? first_present(record_, {"input", "context"})
                                                     : std::string("input");
  }

  void apply_mapped(RecordColumns& columns) const {
    for (const auto& [part, name] : mapped_) {
      if (!columns.parts.contains(part) && part != "input") {
        throw UsageError("--columns " + part + "=" + name + ": the format " +
                             std::string(format_name()) + " has no such part",
                         "Leave it out, or choose another --format.");
      }
      if (part == "input" && !columns.is_pair()) {
        throw UsageError("--columns input=" + name + ": only prompts have an input",
                         "Leave it out, or name prompt and completion as well.");
      }
      columns.parts[part] = name;
    }
  }

  std::string_view format_name() const {
    for (const auto& each : kRecordFormatNames) {
      if (each.value == format_) return each.name;
    }
    return "";
  }

  const ColumnMap& mapped_;
  const Json& record_;
  bool answers_;
  RecordFormat format_ = RecordFormat::kAuto;
  ColumnMap found_;
};

}  // namespace

std::string RecordColumns::of(const std::string& part) const {
  const auto found = parts.find(part);
  return found == parts.end() ? std::string() : found->second;
}

std::string RecordColumns::part_of(const std::string& column) const {
  for (const auto& [part, name] : parts) {
    if (name == column) return part;
  }
  return "";
}

bool RecordColumns::is_pair() const {
  return format != RecordFormat::kAuto && format != RecordFormat::kMessages &&
         format != RecordFormat::kConversations && format != RecordFormat::kText;
}

void check_parts(const ColumnMap& mapped) {
  for (const auto& [part, name] : mapped) {
    if (name.empty()) {
      throw UsageError("--columns " + part + "= names no column", "Name one, or leave it out.");
    }
    if (std::ranges::find(part_names(), part) != part_names().end()) continue;
    const std::string nearest = nearest_name(part, part_names());
    throw UsageError("--columns: unknown part \"" + part + "\"",
                     nearest.empty() ? "Parts are " + join(part_names(), ", ") + "."
                                     : "Did you mean " + nearest + "?");
  }
}

SettledColumns settle_columns(RecordFormat format, const ColumnMap& mapped, const Json& record,
                              bool answers) {
  return Settler(mapped, record, answers).settle(format);
}

std::string nearest_column(const std::string& missing, const std::vector<std::string>& present) {
  const std::string nearest = nearest_name(missing, present);
  return nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?";
}

}  // namespace svtune
