#include "data/label_set.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <utility>

#include "base/errors.h"
#include "base/number_text.h"
#include "base/text_util.h"

namespace svtune {
namespace {

constexpr std::size_t kMostClasses = 1000;

std::string unused_columns_text(const LabelledRecords& records) {
  if (records.unused_columns.empty()) return "";
  return "; columns not used: " + join_some(records.unused_columns, ", ");
}

std::string known_names(const LabelSet& labels) {
  constexpr std::size_t kShown = 20;
  const std::vector<std::string>& all = labels.names();
  const std::vector<std::string> shown(
      all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, all.size())));
  return join(shown, ", ") + (all.size() > kShown ? ", ..." : "");
}

// Nothing where a name is no number. Throws FileError for two forms of one number.
void sort_numbers(std::vector<std::string>& names, const std::string& source) {
  const auto is_number = [](const std::string& name) { return parse_decimal(name).has_value(); };
  if (!std::ranges::all_of(names, is_number)) return;
  const auto value = [](const std::string& name) { return *parse_decimal(name); };
  std::ranges::stable_sort(names, {}, value);
  const auto same = std::ranges::adjacent_find(names, {}, value);
  if (same == names.end()) return;
  throw FileError(
      source, "the labels \"" + *same + "\" and \"" + *std::next(same) + "\" are the same number",
      "--task regress learns numbers; where they are classes, --labels names them.");
}

}  // namespace

LabelSet::LabelSet(std::vector<std::string> names) : names_(std::move(names)) {
  if (names_.size() < 2) throw UsageError("a classification needs two labels at least");
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (names_[i].empty()) throw UsageError("a label is empty");
    const auto id = static_cast<std::int64_t>(i);
    sorted_.emplace_back(names_[i], id);
    if (const auto number = parse_decimal(names_[i])) numbers_.emplace_back(*number, id);
  }
  std::ranges::sort(sorted_);
  std::ranges::sort(numbers_);
  const auto same = std::ranges::adjacent_find(
      sorted_, [](const auto& a, const auto& b) { return a.first == b.first; });
  if (same != sorted_.end()) throw UsageError("the label \"" + same->first + "\" is given twice");
}

LabelSet LabelSet::of(const LabelledRecords& records) {
  std::set<std::string> seen;
  for (const LabelledRecord& record : records.records) {
    if (seen.insert(record.label).second && seen.size() > kMostClasses) {
      throw FileError(
          records.place(record),
          "column " + records.label_column + " has more than " + std::to_string(kMostClasses) +
              " different labels by this record",
          "Is it the column of the label? --task regress learns numbers; where they are "
          "classes, --labels names them.");
    }
  }
  if (seen.size() < 2) {
    throw FileError(records.name,
                    "all records have the label \"" + *seen.begin() +
                        "\"; there is nothing to "
                        "tell apart",
                    "Name all classes with --labels where other files have them.");
  }
  std::vector<std::string> names(seen.begin(), seen.end());
  sort_numbers(names, records.name);
  return LabelSet(std::move(names));
}

std::optional<std::int64_t> LabelSet::find(const std::string& label) const {
  const auto found = std::ranges::lower_bound(
      sorted_, label, {}, [](const auto& entry) { return std::string_view(entry.first); });
  if (found != sorted_.end() && found->first == label) return found->second;
  const std::optional<double> number = parse_decimal(label);
  if (!number) return std::nullopt;
  if (numbers_.empty()) {
    const bool is_id =
        *number >= 0 && *number < static_cast<double>(size()) && *number == std::floor(*number);
    return is_id ? std::optional(static_cast<std::int64_t>(*number)) : std::nullopt;
  }
  const auto same = std::ranges::equal_range(numbers_, *number, {},
                                             [](const auto& entry) { return entry.first; });
  return same.size() == 1 ? std::optional(same.front().second) : std::nullopt;
}

std::vector<std::string> id2label_names(const Json& config) {
  std::vector<std::string> names;
  const auto found = config.find("id2label");
  if (found == config.end() || !found->is_object()) return names;
  for (std::size_t id = 0; id < found->size(); ++id) {
    const auto name = found->find(std::to_string(id));
    if (name == found->end() || !name->is_string()) return {};
    names.push_back(name->get<std::string>());
  }
  return names;
}

bool are_placeholders(const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] != "LABEL_" + std::to_string(i)) return false;
  }
  return true;
}

std::string renamed_labels(const std::vector<std::string>& earlier,
                           const std::vector<std::string>& names) {
  if (earlier.size() != names.size()) return "";
  std::vector<std::string> pairs;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (earlier[i] != names[i]) pairs.push_back(earlier[i] + " -> " + names[i]);
  }
  return join_some(pairs, ", ");
}

std::int64_t require_class(const LabelledRecords& records, const LabelledRecord& record,
                           const LabelSet& labels) {
  if (const auto id = labels.find(record.label)) return *id;
  throw FileError(records.place(record),
                  "the label \"" + record.label + "\" is none of " + known_names(labels),
                  "Labels are those of the training data, or given with --labels.");
}

void spell_as_classes(LabelledRecords& records, const LabelSet& labels) {
  for (LabelledRecord& record : records.records) {
    record.label = labels.names()[static_cast<std::size_t>(require_class(records, record, labels))];
  }
}

std::vector<std::int64_t> class_counts(const LabelledRecords& records, const LabelSet& labels) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(labels.size()));
  for (const LabelledRecord& record : records.records) {
    ++counts[static_cast<std::size_t>(require_class(records, record, labels))];
  }
  return counts;
}

void require_every_class(const LabelledRecords& records, const LabelSet& labels) {
  const std::vector<std::int64_t> counts = class_counts(records, labels);
  const auto empty = std::ranges::find(counts, 0);
  if (empty == counts.end()) return;
  throw FileError(records.name,
                  "no record has the label \"" +
                      labels.names()[static_cast<std::size_t>(empty - counts.begin())] +
                      "\", so that it cannot be learned",
                  "Name the classes of the data with --labels.");
}

std::string class_summary(const LabelledRecords& records, const LabelSet& labels) {
  const std::vector<std::int64_t> counts = class_counts(records, labels);
  const auto total = static_cast<double>(records.records.size());
  std::string text =
      records.name + ": " + format_count(records.records.size()) + " records; labels:";
  for (std::size_t i = 0; i < counts.size(); ++i) {
    text += (i == 0 ? " " : ", ") + labels.names()[i] + " " +
            format_count(static_cast<std::uint64_t>(counts[i])) + " (" +
            percent(static_cast<double>(counts[i]) / total) + ")";
  }
  return text + unused_columns_text(records);
}

double number_of(const LabelledRecords& records, const LabelledRecord& record) {
  const auto number = parse_decimal(record.label);
  if (number && std::isfinite(*number)) return *number;
  throw FileError(records.place(record), "\"" + record.label + "\" is no number to learn",
                  "Is " + records.label_column +
                      " the column of the label? --task classify learns "
                      "words.");
}

std::string number_summary(const LabelledRecords& records) {
  double low = 0, high = 0, sum = 0, squares = 0;
  for (const LabelledRecord& record : records.records) {
    const double value = number_of(records, record);
    const bool first = &record == records.records.data();
    low = first ? value : std::min(low, value);
    high = first ? value : std::max(high, value);
    sum += value;
    squares += value * value;
  }
  const auto count = static_cast<double>(records.records.size());
  const double mean = sum / count;
  const double variance = std::max(0.0, squares / count - mean * mean);
  return records.name + ": " + format_count(records.records.size()) + " records; targets from " +
         general(low, 4) + " to " + general(high, 4) + ", mean " + general(mean, 4) +
         ", deviation " + general(std::sqrt(variance), 4) + unused_columns_text(records);
}

}  // namespace svtune
