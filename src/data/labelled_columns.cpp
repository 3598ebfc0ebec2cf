#include "data/labelled_columns.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {
namespace {

using Names = std::vector<std::string>;

struct KnownTexts {
  const char* first;
  const char* second;  // null: a text alone
};

// Pairs before single texts, since some pairs contain a name that also stands alone.
constexpr KnownTexts kKnownTexts[] = {
    {"sentence1", "sentence2"}, {"question1", "question2"}, {"#1 String", "#2 String"},
    {"premise", "hypothesis"},  {"question", "sentence"},   {"text1", "text2"},
    {"text_a", "text_b"},       {"sentence", nullptr},      {"text", nullptr},
    {"review", nullptr},        {"content", nullptr}};

constexpr const char* kKnownImages[] = {"image",      "path",      "file_name", "filename",
                                        "image_path", "file_path", "file",      "img"};

constexpr const char* kKnownLabels[] = {"label",        "labels", "gold_label", "Quality",
                                        "is_duplicate", "score",  "class",      "target"};

std::optional<std::size_t> index_of(const Names& names, const std::string& name) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names.begin());
}

std::size_t named_index(const Names& names, const std::string& name, const char* option,
                        const std::string& place) {
  if (const auto index = index_of(names, name)) {
    if (std::ranges::count(names, name) == 1) return *index;
    throw FileError(
        place, "several columns are called \"" + name + "\"",
        "Say which one is meant by its number, from 1, with " + std::string(option) + ".");
  }
  if (const auto index = column_index(name, names.size())) return *index;
  throw UsageError(std::string(option) + ": " + place + " has no column \"" + name + "\"; it has " +
                       join(names, ", "),
                   "Columns are named as in the header, or by number from 1.");
}

Names known_texts(const Names& names) {
  for (const KnownTexts& known : kKnownTexts) {
    if (!index_of(names, known.first)) continue;
    if (known.second == nullptr) return {known.first};
    if (index_of(names, known.second)) return {known.first, known.second};
  }
  return {};
}

Names known_image(const Names& names) {
  for (const char* known : kKnownImages) {
    if (index_of(names, known)) return {known};
  }
  return {};
}

std::string known_label(const Names& names) {
  for (const char* known : kKnownLabels) {
    if (index_of(names, known)) return known;
  }
  return {};
}

}  // namespace

LabelledColumns choose_columns(const Names& names, const LabelledOptions& options,
                               const std::string& place) {
  LabelledColumns columns;
  const char* option = options.images ? "--image-column" : "--text-columns";
  columns.texts = options.text_columns;
  if (columns.texts.empty()) {
    columns.texts = options.images ? known_image(names) : known_texts(names);
  }
  columns.label = options.label_column.empty() ? known_label(names) : options.label_column;
  if (columns.texts.size() > 2) {
    throw UsageError("--text-columns names " + std::to_string(columns.texts.size()) +
                     " columns; a record has one text or a pair");
  }
  if (columns.texts.empty() || columns.label.empty()) {
    const std::string text = options.images ? "the image" : "a text";
    const std::string what = columns.texts.empty() ? text : "the label";
    throw FileError(place, "no column is known as " + what + "; there are " + join(names, ", "),
                    "Name them with " + std::string(option) +
                        " and --label-column; of a file without a header line by number, with "
                        "--no-header.");
  }
  for (const std::string& text : columns.texts) {
    columns.text_indices.push_back(named_index(names, text, option, place));
  }
  if (columns.texts.size() == 2 && columns.text_indices[0] == columns.text_indices[1]) {
    throw UsageError("--text-columns names the column " + columns.texts[0] + " twice",
                     "A pair has two columns; a text alone has one.");
  }
  columns.label_index = named_index(names, columns.label, "--label-column", place);
  if (std::ranges::count(columns.text_indices, columns.label_index) > 0) {
    throw UsageError(std::string(option) + ": column " + columns.label +
                         " is that of the label, so that nothing would be left to learn",
                     "Name another column, here or with --label-column.");
  }
  if (!options.adapter_column.empty()) {
    columns.adapter_index = index_of(names, options.adapter_column);
  }
  return columns;
}

std::optional<std::size_t> column_index(const std::string& text, std::size_t columns) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool valid = error == std::errc() && end == text.data() + text.size();
  if (!valid || number < 1 || number > columns) return std::nullopt;
  return number - 1;
}

}  // namespace svtune
