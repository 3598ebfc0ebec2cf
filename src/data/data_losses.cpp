#include "data/data_losses.h"

#include <utility>

#include "data/labelled_store.h"
#include "formats/json_lines.h"

namespace svtune {
namespace {

constexpr std::int64_t kListedColumns = 20;

std::string counted(std::int64_t count, const std::string& one) {
  return std::to_string(count) + " " + one + (count == 1 ? "" : "s");
}

// Adds "history (120 rows)".
void list_rows(std::string& list, const std::string& what, std::int64_t rows) {
  list += (list.empty() ? "" : ", ") + what + " (" + counted(rows, "row") + ")";
}

}  // namespace

std::string unused_columns(const std::vector<ColumnCount>& columns, const PromptTemplate& prompt,
                           std::string_view field) {
  std::string list, unread;
  std::int64_t listed = 0, further = 0;
  for (const ColumnCount& column : columns) {
    if (column.rows == 0 || (!field.empty() && column.name == field)) continue;
    const bool read = !column.part.empty() && prompt.reads(column.part);
    if (read) continue;
    if (!column.part.empty()) unread += (unread.empty() ? "" : " and ") + column.name;
    if (column.part.empty() && listed == kListedColumns) {
      ++further;
      continue;
    }
    list_rows(list, column.name, column.rows);
    ++listed;
  }
  if (list.empty()) return "";
  if (further > 0) list += " and " + counted(further, "column") + " more";
  const std::string why =
      unread.empty() ? "" : "; the prompt's template has no place for " + unread;
  return "columns not used: " + list + why;
}

std::vector<std::string> message_losses(const std::string& name, const EncodeStats& stats) {
  std::vector<std::string> losses;
  if (!stats.unread_fields.empty()) {
    std::string list;
    for (const auto& [field, rows] : stats.unread_fields) list_rows(list, field, rows);
    losses.push_back(name + ": fields of messages not used: " + list +
                     "; the chat template has no place for them");
  }
  if (stats.folded > 0) {
    losses.push_back(name + ": " + std::to_string(stats.folded) + " of " +
                     std::to_string(stats.examples) +
                     " examples have their system message at the head of the first user turn, "
                     "since the chat template takes none of its own");
  }
  if (stats.lost > 0) {
    losses.push_back(name + ": " + counted(stats.lost, "message") +
                     " left out by the chat template, whose text does not depend on them");
  }
  return losses;
}

std::vector<std::string> vain_options(const ExampleStore& store, const PromptOptions& prompt,
                                      const DataOptions& reading) {
  const bool texts = store.reader().format() == RecordFormat::kText;
  const std::string& name = store.records().name();
  if (texts && prompt.system) {
    return {name + ": plain texts are read as they are, without the message of --system"};
  }
  if (!texts && reading.long_texts == LongTexts::kSplit) {
    return {name + ": --long split has no effect: only plain texts are split"};
  }
  return {};
}

std::vector<std::string> data_losses(const ExampleStore& store, std::string_view field) {
  const EncodeStats& stats = store.stats();
  const std::string& name = store.records().name();
  const auto of_seen = [&](std::int64_t count) {
    return name + ": " + std::to_string(count) + " of " + std::to_string(stats.examples) +
           " examples ";
  };
  std::vector<std::string> losses;
  if (store.encoder().options().framed) {
    const std::string unframed = unframed_warning(store.encoder().tokenizer());
    if (!unframed.empty()) losses.push_back(unframed);
  }
  if (stats.truncated > 0) {
    losses.push_back(of_seen(stats.truncated) + "were truncated to " +
                     std::to_string(store.encoder().options().max_length) + " tokens");
  }
  if (stats.dropped > 0) {
    losses.push_back(of_seen(stats.dropped) + "have no token to learn from and are left out");
  }
  if (stats.bad_lines > 0) {
    losses.push_back(name + ": " + std::to_string(stats.bad_lines) + " bad records are left out");
    for (const BadRecord& bad : store.records().bad()) {
      losses.back() += "\n  " + name + ":" + bad.place + ": " + bad.problem;
    }
  }
  std::string replaced = surrogates_text(name, store.records().num_replaced(), "record");
  if (!replaced.empty()) losses.push_back(std::move(replaced));
  const std::string unused =
      unused_columns(store.reader().column_counts(), store.encoder().prompt(), field);
  if (!unused.empty()) losses.push_back(name + ": " + unused);
  for (std::string& loss : message_losses(name, stats)) losses.push_back(std::move(loss));
  if (stats.cut > 0) {
    losses.push_back(name + ": " + counted(stats.cut, "answer") +
                     " of which the chat template leaves a part out, often the reasoning, or "
                     "changes it");
  }
  if (stats.in_vain > 0) {
    losses.push_back(name + ": " + counted(stats.in_vain, "message") +
                     " of others than the assistant ask to be learned (weight, loss_weight, train "
                     "or loss); only --train-on-prompt learns such, all of them");
  }
  return losses;
}

}  // namespace svtune
