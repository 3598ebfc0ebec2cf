#include "data/label_set.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "base/errors.h"
#include "base/number_text.h"
#include "base/text_util.h"
#include "text/unicode_form.h"

namespace svtune {
namespace {

// Of more labels each must occur twice on average, or they are no classes.
constexpr std::size_t kSurelyClasses = 1000;
constexpr std::size_t kListedClasses = 100;
constexpr double kLargestTarget = 1e18;  // squared errors of some of them fit into fp32
constexpr std::string_view kPlaceholder = "LABEL_";

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

bool is_number(const std::string& name) { return parse_decimal(name).has_value(); }

// In one Unicode form: the same letters have the same bytes.
std::string composed(std::string_view label) {
  std::string text(trim(label));
  if (is_valid_utf8(text)) apply_unicode_form(UnicodeForm::kNfc, text);
  return text;
}

// What people may take for the same label.
std::string folded(std::string_view label) {
  const std::string text = composed(label);
  return is_valid_utf8(text) ? lower_case(text) : text;
}

// SNLI writes "-", GLUE's test sets and HF's copies -1.
bool may_mark_unlabelled(const std::string& label) {
  return label == "-" || (is_number(label) && *parse_decimal(label) == -1);
}

std::string hint_of_unknown(const std::string& label, const LabelSet& labels) {
  for (const std::string& name : labels.names()) {
    if (folded(name) != folded(label)) continue;
    return "\"" + name + "\" is another label: capitals or the forms of Unicode's letters differ.";
  }
  if (may_mark_unlabelled(label)) {
    return "GLUE's test sets and SNLI mark records without a label so: leave them out of the data.";
  }
  return "Labels are those of the training data, or given with --labels.";
}

bool are_as_many_as_classes(const LabelledRecords& records, std::size_t labels) {
  const bool folders = !records.records.empty() && records.records.front().line == 0;
  return folders || labels <= kSurelyClasses || 2 * labels <= records.records.size();
}

// Names that look the same, as those of folders that came from different systems do.
void refuse_lookalikes(const std::set<std::string>& names, const std::string& source) {
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (seen.insert(composed(name)).second) continue;
    throw FileError(source,
                    "two labels look alike, \"" + name +
                        "\": they differ in blanks around them or in the form of Unicode alone",
                    "Write them in one form (uconv -x any-nfc); where they are two classes, "
                    "--labels names them.");
  }
}

// They would be learned as two classes.
void refuse_two_forms(const std::vector<std::string>& names, const std::string& source) {
  std::map<double, std::string> by_number;
  for (const std::string& name : names) {
    const auto number = parse_decimal(name);
    if (!number) continue;
    const auto [other, added] = by_number.try_emplace(*number, name);
    if (added) continue;
    throw FileError(source,
                    "the labels \"" + other->second + "\" and \"" + name + "\" are the same number",
                    "--task regress learns numbers; where they are classes, --labels names them.");
  }
}

// Nothing where a name is no number.
void sort_numbers(std::vector<std::string>& names) {
  if (!std::ranges::all_of(names, is_number)) return;
  std::ranges::stable_sort(names, {}, [](const std::string& name) { return *parse_decimal(name); });
}

}  // namespace

LabelSet::LabelSet(std::vector<std::string> names) : names_(std::move(names)) {
  if (names_.size() < 2) throw UsageError("a classification needs two labels at least");
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (trim(names_[i]).empty()) throw UsageError("a label is empty");
    const auto id = static_cast<std::int64_t>(i);
    sorted_.emplace_back(trim(names_[i]), id);
    if (const auto number = parse_decimal(trim(names_[i]))) numbers_.emplace_back(*number, id);
  }
  std::ranges::sort(sorted_);
  std::ranges::sort(numbers_);
  const auto same = std::ranges::adjacent_find(
      sorted_, [](const auto& a, const auto& b) { return a.first == b.first; });
  if (same != sorted_.end()) throw UsageError("the label \"" + same->first + "\" is given twice");
}

LabelSet LabelSet::of(const LabelledRecords& records) {
  std::set<std::string> seen;
  for (const LabelledRecord& record : records.records) seen.insert(record.label);
  if (!are_as_many_as_classes(records, seen.size())) {
    throw FileError(records.name,
                    "column " + records.label_column + " has " + format_count(seen.size()) +
                        " different labels in " + format_count(records.records.size()) + " records",
                    "Is it the column of the label? --task regress learns numbers; where they are "
                    "classes, --labels names them.");
  }
  if (seen.size() < 2) {
    throw FileError(records.name,
                    "all records have the label \"" + *seen.begin() +
                        "\"; there is nothing to "
                        "tell apart",
                    "Name all classes with --labels where other files have them.");
  }
  refuse_lookalikes(seen, records.name);
  std::vector<std::string> names(seen.begin(), seen.end());
  refuse_two_forms(names, records.name);
  sort_numbers(names);
  return LabelSet(std::move(names));
}

std::optional<std::int64_t> LabelSet::find(const std::string& label) const {
  std::string_view text = trim(label);
  const auto found = std::ranges::lower_bound(
      sorted_, text, {}, [](const auto& entry) { return std::string_view(entry.first); });
  if (found != sorted_.end() && found->first == text) return found->second;
  const bool placeholder = text.starts_with(kPlaceholder);
  if (placeholder) text.remove_prefix(kPlaceholder.size());
  const std::optional<double> number = parse_decimal(text);
  if (!number) return std::nullopt;
  if (placeholder || numbers_.empty()) {
    const bool is_id =
        *number >= 0 && *number < static_cast<double>(size()) && *number == std::floor(*number);
    return is_id ? std::optional(static_cast<std::int64_t>(*number)) : std::nullopt;
  }
  const auto same = std::ranges::equal_range(numbers_, *number, {},
                                             [](const auto& entry) { return entry.first; });
  return same.size() == 1 ? std::optional(same.front().second) : std::nullopt;
}

std::vector<std::string> given_labels(std::vector<std::string> names) {
  for (std::string& name : names) name = std::string(trim(name));
  return names;
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
    if (names[i] != std::string(kPlaceholder) + std::to_string(i)) return false;
  }
  return true;
}

std::string renamed_labels(const std::vector<std::string>& earlier,
                           const std::vector<std::string>& names) {
  if (earlier.size() != names.size()) return "";
  std::vector<std::string> pairs;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool same = earlier[i] == names[i] || earlier[i] == std::string(kPlaceholder) + names[i];
    if (!same) pairs.push_back(earlier[i] + " -> " + names[i]);
  }
  return join_some(pairs, ", ");
}

std::int64_t require_class(const LabelledRecords& records, const LabelledRecord& record,
                           const LabelSet& labels) {
  if (const auto id = labels.find(record.label)) return *id;
  throw FileError(records.place(record),
                  "the label \"" + record.label + "\" is none of " + known_names(labels),
                  hint_of_unknown(record.label, labels));
}

std::vector<std::string> doubtful_labels(const LabelSet& labels) {
  const std::vector<std::string>& names = labels.names();
  std::vector<std::string> out;
  const bool numbers = std::ranges::all_of(names, is_number);
  const auto is_negative = [](const std::string& name) { return *parse_decimal(name) < 0; };
  const auto mark = std::ranges::find_if(names, may_mark_unlabelled);
  // -1 beside 1 alone is a class as any other.
  const auto is_odd = [&](const std::string& name) {
    return name == "-" || !numbers ||
           (names.size() > 2 && std::ranges::count_if(names, is_negative) == 1);
  };
  if (mark != names.end() && is_odd(*mark)) {
    out.push_back("the class \"" + *mark + "\" is learned like the others; GLUE's test sets and " +
                  "SNLI mark records without a label so, and those are to be left out");
  }
  const auto is_fraction = [](const std::string& name) {
    return *parse_decimal(name) != std::floor(*parse_decimal(name));
  };
  if (numbers && std::ranges::any_of(names, is_fraction)) {
    out.push_back("each of the numbers " + join_some(names, ", ") +
                  " is a class of its own; --task regress learns how large they are");
  }
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (seen.insert(folded(name)).second) continue;
    out.push_back("the class \"" + name + "\" differs from another in capitals alone");
    break;
  }
  return out;
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

std::string class_summary(const LabelledRecords& records, const LabelSet& labels,
                          const std::string& unit) {
  const std::vector<std::int64_t> counts = class_counts(records, labels);
  const auto total = static_cast<double>(records.records.size());
  std::vector<std::string> each;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    each.push_back(labels.names()[i] + " " + format_count(static_cast<std::uint64_t>(counts[i])) +
                   " (" + percent(static_cast<double>(counts[i]) / total) + ")");
  }
  return records.name + ": " + format_count(records.records.size()) + " " + unit +
         "; labels: " + join_some(each, ", ", kListedClasses) + unused_columns_text(records);
}

double number_of(const LabelledRecords& records, const LabelledRecord& record) {
  const auto number = parse_decimal(record.label);
  if (number && std::abs(*number) <= kLargestTarget) return *number;
  if (number) {
    throw FileError(records.place(record),
                    "\"" + record.label + "\" is too large to learn: its square overflows",
                    "Give the numbers in a larger unit.");
  }
  throw FileError(records.place(record), "\"" + record.label + "\" is no number to learn",
                  "Is " + records.label_column +
                      " the column of the label? --task classify learns "
                      "words.");
}

std::string number_summary(const LabelledRecords& records) {
  double low = 0, high = 0, sum = 0;
  for (const LabelledRecord& record : records.records) {
    const double value = number_of(records, record);
    const bool first = &record == records.records.data();
    low = first ? value : std::min(low, value);
    high = first ? value : std::max(high, value);
    sum += value;
  }
  const auto count = static_cast<double>(records.records.size());
  const double mean = sum / count;
  double squares = 0;  // of what is left of large numbers without their mean
  for (const LabelledRecord& record : records.records) {
    const double distance = number_of(records, record) - mean;
    squares += distance * distance;
  }
  return records.name + ": " + format_count(records.records.size()) + " records; targets from " +
         general(low, 4) + " to " + general(high, 4) + ", mean " + general(mean, 4) +
         ", deviation " + general(std::sqrt(squares / count), 4) + unused_columns_text(records);
}

}  // namespace svtune
