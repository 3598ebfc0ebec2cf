#include "data/tagged_records.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/text_util.h"
#include "data/labelled_columns.h"
#include "data/record_index.h"

namespace svtune {
namespace {

constexpr const char* kKnownWords[] = {"tokens", "words"};
constexpr const char* kKnownTags[] = {"ner_tags", "tags",       "labels", "pos_tags",
                                      "upos",     "chunk_tags", "label"};
constexpr const char* kEndingsOfWords[] = {".tsv", ".txt", ".conll", ".iob", ".iob2", ".bio"};
constexpr std::string_view kDocumentMark = "-DOCSTART-";  // CoNLL-2003, a line of its own

bool has_lines_of_words(const std::filesystem::path& path, TableForm asked) {
  if (asked == TableForm::kWords || asked == TableForm::kTsv) return true;
  if (asked == TableForm::kJson) return false;
  const std::string ending = form_extension(path);
  if (asked == TableForm::kCsv || ending == ".csv") {
    throw UsageError("--task tag reads no CSV: a text has as many classes as words",
                     "Give --table words, a word and its class in each line, or JSON.");
  }
  return std::ranges::any_of(kEndingsOfWords, [&](const char* each) { return ending == each; });
}

void add_text(LabelledRecord&& record, LabelledRecords& out) {
  record.first = join(record.words, " ");
  record.label = join(record.tags, " ");
  out.records.push_back(std::move(record));
}

// What is wrong with a word and its class; "" for nothing.
std::string pair_problem(const std::string& word, const std::string& tag) {
  if (word.empty()) return "a word is empty";
  if (word.find('\0') != std::string::npos) return "a word holds a NUL byte";
  return tag.empty() ? "the class of \"" + word + "\" is empty" : "";
}

// --- JSON ---

class JsonTags {
 public:
  JsonTags(const LabelledOptions& options, LabelledRecords& out) : options_(options), out_(out) {}

  // "" for a record that record() takes. Throws FileError when the first record's columns are not
  // known and no record may be left out.
  std::string problem(const Json& json) {
    try {
      if (words_.empty()) choose(json);
    } catch (const FileError&) {
      if (!options_.skip_bad_lines) throw;
      return "its columns are not known";
    }
    see_others(json);
    const auto words = json.find(words_), tags = json.find(tags_);
    if (words == json.end() || !words->is_array()) {
      return "column " + words_ + " must be a list of words";
    }
    if (tags == json.end() || !tags->is_array()) {
      return "column " + tags_ + " must be a list with a class for each word";
    }
    if (words->size() != tags->size()) {
      return "column " + words_ + " has " + std::to_string(words->size()) + " words, column " +
             tags_ + " " + std::to_string(tags->size()) + " classes";
    }
    if (words->empty()) return "column " + words_ + " is empty";
    for (std::size_t i = 0; i < words->size(); ++i) {
      if (!words->at(i).is_string()) return "column " + words_ + " must hold words";
      const std::optional<std::string> tag = tag_of(tags->at(i));
      if (!tag) return "column " + tags_ + " must hold words or whole numbers";
      const std::string problem = pair_problem(words->at(i).get<std::string>(), *tag);
      if (!problem.empty()) return problem;
    }
    const auto adapter = json.find(options_.adapter_column);
    const bool named = !options_.adapter_column.empty() && adapter != json.end();
    return named && !adapter->is_string()
               ? "column " + options_.adapter_column + " must name an adapter"
               : "";
  }

  LabelledRecord record(const Json& json, std::int64_t line) const {
    LabelledRecord out;
    out.line = line;
    for (const Json& word : json.at(words_)) out.words.push_back(word.get<std::string>());
    for (const Json& tag : json.at(tags_)) out.tags.push_back(*tag_of(tag));
    const std::string& adapter = options_.adapter_column;
    if (!adapter.empty()) out.adapter = json.value(adapter, std::string());
    return out;
  }

  const std::string& word_column() const { return words_; }
  const std::string& tag_column() const { return tags_; }

 private:
  static std::optional<std::string> tag_of(const Json& value) {
    if (value.is_string()) return std::string(trim(value.get<std::string>()));
    if (value.is_number_integer()) return value.dump();
    return std::nullopt;
  }

  // The column that is asked for, else the first that is known; "" where there is none.
  template <std::size_t Count>
  static std::string column_of(const Json& json, const std::string& asked,
                               const char* const (&known)[Count]) {
    if (!asked.empty()) return json.contains(asked) ? asked : "";
    for (const char* name : known) {
      if (json.contains(name)) return name;
    }
    return "";
  }

  static std::string names_of(const Json& json) {
    std::vector<std::string> names;
    for (const auto& [key, value] : json.items()) names.push_back(key);
    return join(names, ", ");
  }

  void require_asked(const Json& json, const std::string& asked, const char* option) const {
    if (asked.empty() || json.contains(asked)) return;
    throw FileError(
        out_.name,
        std::string(option) + " names the column \"" + asked + "\"; there are " + names_of(json),
        "Columns of JSON are named by their keys.");
  }

  void choose(const Json& json) {
    const std::string asked =
        options_.text_columns.empty() ? std::string() : options_.text_columns.front();
    require_asked(json, asked, "--text-columns");
    require_asked(json, options_.label_column, "--label-column");
    const std::string words = column_of(json, asked, kKnownWords);
    const std::string tags = column_of(json, options_.label_column, kKnownTags);
    if (!words.empty() && words == tags) {
      throw UsageError("the column " + words +
                           " would be that of the words and that of the classes, so that nothing "
                           "would be left to learn",
                       "Name one column with --text-columns and another with --label-column.");
    }
    if (!words.empty() && !tags.empty()) {
      words_ = words;
      tags_ = tags;
      return;
    }
    throw FileError(out_.name,
                    "no column is known as " +
                        std::string(words.empty() ? "the words" : "the classes") + "; there are " +
                        names_of(json),
                    "Name them with --text-columns, a list of words, and --label-column, a list of "
                    "as many classes.");
  }

  void see_others(const Json& json) {
    constexpr std::size_t kMostColumns = 1000;
    for (const auto& [key, value] : json.items()) {
      std::vector<std::string>& unused = out_.unused_columns;
      const bool read = key == words_ || key == tags_ ||
                        (!options_.adapter_column.empty() && key == options_.adapter_column);
      if (read || unused.size() == kMostColumns || std::ranges::count(unused, key) > 0) continue;
      unused.push_back(key);
    }
  }

  const LabelledOptions& options_;
  LabelledRecords& out_;
  std::string words_, tags_;  // columns; empty until a record has shown them
};

void read_json_tags(const std::filesystem::path& path, const LabelledOptions& options,
                    LabelledRecords& out) {
  JsonTags tags(options, out);
  RecordIndexOptions reading;
  reading.skip_bad_lines = options.skip_bad_lines;
  reading.check = [&](const Json& record) { return tags.problem(record); };
  reading.other_form = "--table words reads lines with a word and its class.";
  const RecordIndex index(path, reading);
  for (std::int64_t i = 0; i < index.size(); ++i) {
    add_text(tags.record(index.read(i), index.line(i)), out);
  }
  out.bad = index.bad();
  out.num_bad = index.num_bad();
  out.text_columns = tags.word_column();
  out.label_column = tags.tag_column();
}

// --- lines of words ---

std::vector<std::string> cells_between_blanks(std::string_view line) {
  std::vector<std::string> cells;
  for (std::string_view rest = trim(line); !rest.empty(); rest = trim(rest)) {
    const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
    cells.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  return cells;
}

std::vector<std::string> cells_between_tabs(std::string_view line) {
  std::vector<std::string> cells;
  for (const std::string_view cell : split(line, '\t')) cells.emplace_back(trim(cell));
  return cells;
}

// From 0; `asked` counts from 1, empty: `otherwise`.
std::size_t column_number(const std::string& asked, const char* option, std::size_t otherwise,
                          std::size_t width) {
  if (asked.empty()) return otherwise;
  if (const auto index = column_index(asked, width)) return *index;
  throw UsageError(std::string(option) + " names the column \"" + asked +
                       "\"; lines of words have columns 1 to " + std::to_string(width),
                   "Columns of lines of words are named by their numbers.");
}

// Gathers lines to texts. The first line of a word says how many cells a line has.
class WordLines {
 public:
  // `tabs`: cells are separated by tabs, else by blanks.
  WordLines(const LabelledOptions& options, bool tabs, LabelledRecords& out)
      : options_(options), tabs_(tabs), out_(out) {}

  void add(std::string_view line, std::int64_t number) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (trim(line).empty()) {
      finish();
      return;
    }
    if (line.starts_with(kDocumentMark)) return;
    // Comments of tables with tabs stand in lines without any.
    if (tabs_ && line.starts_with('#') && line.find('\t') == std::string_view::npos) return;
    if (record_.line == 0) record_.line = number;
    const std::string problem = add_word(line, number);
    if (!problem.empty() && problem_.empty()) {
      problem_ = problem;
      problem_line_ = number;
    }
  }

  // Ends the text; nothing where none has begun.
  void finish() {
    if (record_.line == 0) return;
    if (problem_.empty()) {
      add_text(std::move(record_), out_);
    } else {
      out_.refuse(std::to_string(problem_line_), problem_, options_.skip_bad_lines);
    }
    record_ = {};
    problem_.clear();
  }

 private:
  // What is wrong with the line; "" when it gave a word and a class.
  std::string add_word(std::string_view line, std::int64_t number) {
    if (!is_valid_utf8(line)) return "it is not valid UTF-8";
    const std::vector<std::string> cells =
        tabs_ ? cells_between_tabs(line) : cells_between_blanks(line);
    if (!width_ && cells.size() < 2 && options_.skip_bad_lines) return "the line has one cell";
    if (!width_) choose(cells.size(), number);
    if (cells.size() != *width_) {
      return "the line has " + std::to_string(cells.size()) + " cells, the first one " +
             std::to_string(*width_);
    }
    const std::string problem = pair_problem(cells[word_], cells[tag_]);
    if (!problem.empty()) return problem;
    record_.words.push_back(cells[word_]);
    record_.tags.push_back(cells[tag_]);
    return "";
  }

  void choose(std::size_t width, std::int64_t number) {
    if (width < 2) {
      throw FileError(out_.name + ":" + std::to_string(number),
                      std::string("the line has one cell") + (tabs_ ? " between tabs" : "") +
                          "; a class needs one beside the word",
                      tabs_ ? "One tab in a file makes blanks part of the cells: in all lines tabs "
                              "stand between word and class, or in none."
                            : "A word and its class stand in a line, between them a tab or "
                              "blanks.");
    }
    const std::vector<std::string>& asked = options_.text_columns;
    word_ = column_number(asked.empty() ? "" : asked.front(), "--text-columns", 0, width);
    tag_ = column_number(options_.label_column, "--label-column", width - 1, width);
    if (word_ == tag_) {
      throw UsageError("--label-column names the column of the words, " +
                           std::to_string(word_ + 1) + ", so that nothing would be left to learn",
                       "Name another column, here or with --text-columns.");
    }
    width_ = width;
    out_.text_columns = std::to_string(word_ + 1);
    out_.label_column = std::to_string(tag_ + 1);
    for (std::size_t i = 0; i < width; ++i) {
      if (i != word_ && i != tag_) out_.unused_columns.push_back(std::to_string(i + 1));
    }
  }

  const LabelledOptions& options_;
  bool tabs_;
  LabelledRecords& out_;
  std::optional<std::size_t> width_;  // cells, of the first line
  std::size_t word_ = 0, tag_ = 0;    // columns from 0
  LabelledRecord record_;
  std::string problem_;  // of the text
  std::int64_t problem_line_ = 0;
};

void read_word_lines(const std::filesystem::path& path, const LabelledOptions& options,
                     LabelledRecords& out) {
  const std::string text = read_table_text(path);
  WordLines lines(options, text.find('\t') != std::string::npos, out);
  std::int64_t number = 0;
  for (const std::string_view line : split(without_byte_order_mark(text), '\n')) {
    lines.add(line, ++number);
  }
  lines.finish();
}

}  // namespace

LabelledRecords read_tagged(const std::filesystem::path& path, const LabelledOptions& options) {
  if (options.text_columns.size() > 1) {
    throw UsageError("--text-columns names " + std::to_string(options.text_columns.size()) +
                     " columns; a text has one of words");
  }
  if (!options.header) {
    throw UsageError("--no-header applies only to CSV and TSV with a text in each row",
                     "Leave it out: lines of words have no header.");
  }
  LabelledRecords out;
  out.name = path == "-" ? "standard input" : path.string();
  if (has_lines_of_words(path, options.table)) {
    read_word_lines(path, options, out);
  } else {
    read_json_tags(path, options, out);
  }
  if (out.records.empty()) out.refuse_empty();
  const auto has_class = [](const LabelledRecord& text) {
    return std::ranges::any_of(text.tags, [](const std::string& tag) { return tag != kNoTag; });
  };
  if (std::ranges::none_of(out.records, has_class)) {
    throw FileError(out.name, "no word has a class: all are " + std::string(kNoTag));
  }
  return out;
}

LabelledRecords tagged_words(const LabelledRecords& texts) {
  LabelledRecords words = texts.without_records();
  for (const LabelledRecord& text : texts.records) {
    for (const std::string& tag : text.tags) {
      if (tag == kNoTag) continue;
      LabelledRecord word;
      word.label = tag;
      word.line = text.line;
      words.records.push_back(std::move(word));
    }
  }
  return words;
}

std::string tag_summary(const LabelledRecords& texts, const LabelSet& labels) {
  return class_summary(tagged_words(texts), labels,
                       "words in " + format_count(texts.records.size()) + " texts");
}

}  // namespace svtune
