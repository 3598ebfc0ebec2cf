#include "data/labelled_records.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/errors.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/text_util.h"
#include "data/delimited_rows.h"
#include "data/labelled_columns.h"
#include "formats/compressed.h"
#include "formats/foreign_data.h"

namespace svtune {
namespace {

constexpr std::size_t kListedProblems = 20;

TableForm form_of(const std::filesystem::path& path, TableForm asked) {
  if (asked != TableForm::kAuto) return asked;
  const std::string kind = form_extension(path);
  if (kind == ".csv") return TableForm::kCsv;
  return kind == ".tsv" ? TableForm::kTsv : TableForm::kJson;
}

std::string read_all(ByteSource& source) {
  constexpr std::size_t kChunk = std::size_t{1} << 20;
  std::string text;
  for (;;) {
    const std::size_t before = text.size();
    text.resize(before + kChunk);
    const std::size_t got = source.read({text.data() + before, kChunk});
    text.resize(before + got);
    if (got < kChunk) return text;
  }
}

std::string names_of(const std::vector<std::string>& texts) { return join(texts, " and "); }

std::vector<std::string> numbered(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i <= count; ++i) names.push_back(std::to_string(i));
  return names;
}

// Names of columns as people write them, blanks behind the separator aside.
std::vector<std::string> names_in(const DelimitedRow& row) {
  std::vector<std::string> names;
  for (const std::string& cell : row.cells) names.emplace_back(trim(cell));
  return names;
}

// A label stands beside something, so that the first line is cut at the wrong places.
[[noreturn]] void refuse_one_cell(std::string_view line, const std::string& place) {
  std::string hint = "Cells are separated by commas in CSV and by tabs in TSV; --table says which.";
  if (line.find('\t') != std::string_view::npos) hint = "Its cells look like TSV: --table tsv.";
  if (line.find(',') != std::string_view::npos) hint = "Its cells look like CSV: --table csv.";
  if (line.find(';') != std::string_view::npos) {
    hint =
        "Semicolons separate nothing: write the table with commas, e.g. with pandas: "
        "pd.read_csv(\"FILE\", sep=\";\").to_csv(\"data.csv\", index=False).";
  }
  throw FileError(place, "the first line has one cell; a label needs one beside it", hint);
}

constexpr const char* kNoPath = "the path of the image is empty";

// What is wrong with the cells of a row; "" when they make a record.
std::string row_problem(const DelimitedRow& row, const LabelledColumns& columns, std::size_t width,
                        const LabelledOptions& options) {
  if (!row.problem.empty()) return row.problem;
  const std::string has = "the row has " + std::to_string(row.cells.size()) + " cells";
  const auto missing = [&](const std::string& name, std::size_t index) {
    return index < row.cells.size()
               ? std::string()
               : has + ", column " + std::to_string(index + 1) + " (" + name + ") is missing";
  };
  for (std::size_t i = 0; i < columns.texts.size(); ++i) {
    const std::string problem = missing(columns.texts[i], columns.text_indices[i]);
    if (!problem.empty()) return problem;
  }
  if (const std::string problem = missing(columns.label, columns.label_index); !problem.empty()) {
    return problem;
  }
  if (row.cells.size() > width) {
    return has + ", the " + (options.header ? "header " : "first row ") + std::to_string(width);
  }
  for (const std::string& cell : row.cells) {
    if (!is_valid_utf8(cell)) return "it is not valid UTF-8";
    if (cell.find('\0') != std::string::npos) return "it holds a NUL byte";
  }
  if (options.images && trim(row.cells[columns.text_indices[0]]).empty()) return kNoPath;
  if (trim(row.cells[columns.label_index]).empty()) return "the label is empty";
  return "";
}

LabelledRecord record_of(const DelimitedRow& row, const LabelledColumns& columns) {
  LabelledRecord record;
  record.first = row.cells[columns.text_indices[0]];
  if (columns.texts.size() > 1) record.second = row.cells[columns.text_indices[1]];
  record.label = trim(row.cells[columns.label_index]);
  record.line = row.line;
  const std::size_t adapter = columns.adapter_index.value_or(row.cells.size());
  if (adapter < row.cells.size()) record.adapter = trim(row.cells[adapter]);
  return record;
}

void read_delimited(const std::filesystem::path& path, TableForm form,
                    const LabelledOptions& options, LabelledRecords& out) {
  const std::string text = read_table_text(path);
  const bool csv = form == TableForm::kCsv;
  DelimitedRows rows(text, csv ? ',' : '\t', csv ? Quoting::kQuotedCells : Quoting::kNone);
  DelimitedRow row;
  bool more = rows.next(row);
  if (!more) return;
  const std::string first_place = out.name + ":" + std::to_string(row.line);
  if (!row.problem.empty()) throw FileError(first_place, row.problem);
  if (!std::ranges::all_of(row.cells, [](const auto& cell) { return is_valid_utf8(cell); })) {
    throw FileError(first_place, "not valid UTF-8",
                    "Is the file of another kind, or in another encoding? iconv converts those.");
  }
  const std::size_t width = row.cells.size();
  if (width < 2) refuse_one_cell(row.cells[0], first_place);
  const std::vector<std::string> names = options.header ? names_in(row) : numbered(width);
  const LabelledColumns columns = choose_columns(names, options, first_place);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool read = i == columns.label_index || columns.adapter_index == i ||
                      std::ranges::count(columns.text_indices, i) > 0;
    if (!read) out.unused_columns.push_back(names[i].empty() ? std::to_string(i + 1) : names[i]);
  }
  out.text_columns = names_of(columns.texts);
  out.label_column = columns.label;
  if (options.header) more = rows.next(row);
  for (; more; more = rows.next(row)) {
    const std::string problem = row_problem(row, columns, width, options);
    if (problem.empty()) {
      out.records.push_back(record_of(row, columns));
    } else {
      out.refuse(std::to_string(row.line), problem, options.skip_bad_lines);
    }
  }
}

// The label of a JSON record as text; nullopt when it is neither a word nor a number.
std::optional<std::string> label_text(const Json& value) {
  if (value.is_string()) return std::string(trim(value.get<std::string>()));
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  // Beyond the range of numbers JSON has none.
  if (value.is_number() && std::isfinite(value.get<double>())) return value.dump();
  return std::nullopt;
}

class JsonLabels {
 public:
  JsonLabels(const LabelledOptions& options, std::string name)
      : options_(options), name_(std::move(name)) {}

  // Throws FileError when the first record's columns are not known and no record may be left out.
  std::string problem(const Json& record) {
    try {
      if (!columns_) columns_ = columns_of(record);
    } catch (const FileError&) {
      if (!options_.skip_bad_lines) throw;
      return "its columns are not known";
    }
    for (const auto& [key, value] : record.items()) see(key);
    for (const std::string& text : columns_->texts) {
      const auto found = record.find(text);
      if (found == record.end() || found->is_null()) return "column " + text + " is missing";
      if (!found->is_string()) return "column " + text + " must be a text";
      if (options_.images && trim(found->get<std::string>()).empty()) return kNoPath;
    }
    const auto label = record.find(columns_->label);
    if (label == record.end() || label->is_null()) {
      return "column " + columns_->label + " is missing";
    }
    const std::string& adapter = options_.adapter_column;
    if (!adapter.empty() && record.contains(adapter) && !record.at(adapter).is_string()) {
      return "column " + adapter + " must name an adapter";
    }
    const auto text = label_text(*label);
    if (!text) return "column " + columns_->label + " must be a word or a number";
    return text->empty() ? "the label is empty" : "";
  }

  LabelledRecord record(const Json& json, std::int64_t line) const {
    LabelledRecord out;
    out.first = json.at(columns_->texts[0]).get<std::string>();
    if (columns_->texts.size() > 1) out.second = json.at(columns_->texts[1]).get<std::string>();
    out.label = *label_text(json.at(columns_->label));
    out.line = line;
    if (const std::string& adapter = options_.adapter_column; !adapter.empty()) {
      out.adapter = json.value(adapter, std::string());
    }
    return out;
  }

  const std::optional<LabelledColumns>& columns() const { return columns_; }
  const std::vector<std::string>& unused() const { return unused_; }

 private:
  void see(const std::string& key) {
    constexpr std::size_t kMostColumns = 1000;
    if (unused_.size() == kMostColumns) return;
    if (!options_.adapter_column.empty() && key == options_.adapter_column) return;
    if (key == columns_->label || std::ranges::count(columns_->texts, key) > 0) return;
    if (std::ranges::count(unused_, key) == 0) unused_.push_back(key);
  }

  LabelledColumns columns_of(const Json& record) const {
    std::vector<std::string> names;
    for (const auto& [key, value] : record.items()) names.push_back(key);
    LabelledColumns columns = choose_columns(names, options_, name_);
    // Numbers were looked up in this record; the others are read by name.
    for (std::size_t i = 0; i < columns.texts.size(); ++i) {
      columns.texts[i] = names[columns.text_indices[i]];
    }
    columns.label = names[columns.label_index];
    return columns;
  }

  const LabelledOptions& options_;
  std::string name_;
  std::optional<LabelledColumns> columns_;
  std::vector<std::string> unused_;
};

// Of a table whose name does not tell it; a pipe is not looked into.
void refuse_unnamed_table(const std::filesystem::path& path) {
  std::error_code unknown;  // said by what opens the path
  if (!std::filesystem::is_regular_file(path, unknown)) return;
  const std::unique_ptr<ByteSource> source = open_byte_source(path);
  std::string start(kForeignBytes, '\0');
  start.resize(source->read({start.data(), start.size()}));
  const auto foreign = recognise_foreign(start, source->name(), DataForm::kJson);
  if (!foreign || foreign->separator == 0) return;
  const char separator = foreign->separator;
  throw FileError(source->name(), foreign->what,
                  separator == '\t'  ? "--table tsv reads it."
                  : separator == ',' ? "--table csv reads it."
                                     : foreign->hint);
}

void read_json(const std::filesystem::path& path, const LabelledOptions& options,
               LabelledRecords& out) {
  JsonLabels labels(options, out.name);
  RecordIndexOptions reading;
  reading.skip_bad_lines = options.skip_bad_lines;
  reading.check = [&](const Json& record) { return labels.problem(record); };
  reading.other_form = "--table csv or tsv reads tables";
  reading.other_form += options.images ? "." : ", --task tag lines with a word and its class.";
  const RecordIndex index(path, reading);
  for (std::int64_t i = 0; i < index.size(); ++i) {
    out.records.push_back(labels.record(index.read(i), index.line(i)));
  }
  out.bad = index.bad();
  out.num_bad = index.num_bad();
  if (!labels.columns()) return;
  out.text_columns = names_of(labels.columns()->texts);
  out.label_column = labels.columns()->label;
  out.unused_columns = labels.unused();
}

}  // namespace

void LabelledRecords::refuse(const std::string& place, const std::string& problem, bool skip) {
  if (!skip) {
    throw FileError(name + ":" + place, problem,
                    "Mend the record, or leave such records out with --skip-bad-lines.");
  }
  leave_out(place, problem);
}

void LabelledRecords::leave_out(std::string place, std::string problem) {
  ++num_bad;
  if (bad.size() < kListedProblems) bad.push_back({std::move(place), std::move(problem)});
}

void LabelledRecords::refuse_empty() const {
  if (num_bad == 0) throw FileError(name, "the data set is empty");
  throw FileError(name, "no usable record: all " + std::to_string(num_bad) +
                            " were skipped as bad, the first in line " + bad[0].place + " (" +
                            bad[0].problem + ")");
}

std::string LabelledRecords::left_out() const {
  std::string text = name + ": " + std::to_string(num_bad) + " bad records are left out";
  for (const BadRecord& each : bad) {
    text += "\n  " + name + ":" + each.place + ": " + each.problem;
  }
  return text;
}

LabelledRecords LabelledRecords::without_records() const {
  LabelledRecords out;
  out.name = name;
  out.text_columns = text_columns;
  out.label_column = label_column;
  out.unused_columns = unused_columns;
  return out;
}

std::uint64_t LabelledRecords::fingerprint() const {
  Hasher64 hasher;
  const auto add = [&](std::string_view text) {
    hasher.update(std::to_string(text.size()) + ":");
    hasher.update(text);
  };
  for (const LabelledRecord& record : records) {
    add(record.first);
    if (record.second) add(*record.second);
    add(record.label);
    hasher.update("\n");
  }
  return hasher.digest();
}

std::string form_extension(const std::filesystem::path& path) {
  std::filesystem::path name = path;
  const std::string packed = to_lower_ascii(name.extension().string());
  if (packed == ".gz" || packed == ".zst") name = name.stem();
  return to_lower_ascii(name.extension().string());
}

std::string read_table_text(const std::filesystem::path& path) {
  const std::unique_ptr<ByteSource> source = open_byte_source(path);
  std::string text = read_all(*source);
  const std::string_view start = std::string_view(text).substr(0, kForeignBytes);
  const auto foreign = recognise_foreign(start, source->name(), DataForm::kTable);
  if (foreign) throw FileError(source->name(), foreign->what, foreign->hint);
  if (text.find('\n') == std::string::npos && text.find('\r') != std::string::npos) {
    throw FileError(source->name(), "its lines end with carriage returns alone",
                    "Convert them: tr '\\r' '\\n' < FILE > NEWFILE.");
  }
  return text;
}

LabelledRecords read_labelled(const std::filesystem::path& path, const LabelledOptions& options) {
  if (options.table == TableForm::kWords) {
    throw UsageError("--table words has a class for each word, not for each text",
                     "Give --task tag, which learns classes of words.");
  }
  LabelledRecords out;
  out.name = path == "-" ? "standard input" : path.string();
  const TableForm form = form_of(path, options.table);
  if (form == TableForm::kJson) {
    refuse_unnamed_table(path);
    if (!options.header) {
      throw UsageError("--no-header applies only to CSV and TSV; " + out.name + " is read as JSON",
                       "Leave it out, or give the form of the file with --table.");
    }
    read_json(path, options, out);
  } else {
    read_delimited(path, form, options, out);
  }
  if (out.records.empty()) out.refuse_empty();
  return out;
}

LabelledRecords hold_out(LabelledRecords& records, double share, std::uint64_t seed) {
  const std::size_t count = records.records.size();
  if (count < 2) {
    throw UsageError(records.name + " has one record, of which none can be held out");
  }
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  Xoshiro256 random(derive_seed(seed, "hold out", ""));
  random.shuffle(std::span<std::size_t>(order));
  const auto wanted = static_cast<std::size_t>(std::llround(share * static_cast<double>(count)));
  std::vector<bool> held(count);
  for (std::size_t i = 0; i < std::clamp<std::size_t>(wanted, 1, count - 1); ++i) {
    held[order[i]] = true;
  }
  LabelledRecords out = records.without_records();
  std::vector<LabelledRecord> kept;
  for (std::size_t i = 0; i < count; ++i) {
    (held[i] ? out.records : kept).push_back(std::move(records.records[i]));
  }
  records.records = std::move(kept);
  return out;
}

}  // namespace svtune
