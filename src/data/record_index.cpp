#include "data/record_index.h"

#include <limits>
#include <memory>
#include <utility>

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {
namespace {

constexpr std::size_t kListedBadLines = 20;

// Commas that JSON does not take, which people leave after the last element or behind a line, and
// objects that are written over several lines; "" for other texts.
std::string odd_shape(const ScannedRecord& record) {
  if (record.text.empty()) return "a comma without a record after it";
  if (!record.text.starts_with('{')) return "";
  if (record.text.ends_with("},")) return "the line ends in a comma; JSON lines have none";
  constexpr std::string_view kGoOn = "{[,";
  if (kGoOn.find(record.text.back()) == kGoOn.npos) return "";
  return "the object goes on in the next line, need a whole record on each (jq -c . FILE makes "
         "such lines) or an array of records";
}

Json line_record(std::string_view line) {
  Json record = Json::object();
  record["text"] = std::string(line);
  return record;
}

// "line: problem" or "line:column: problem"; "" when the text is fine. Counts what is replaced.
std::string problem_of(const ScannedRecord& record, bool is_text, const RecordIndexOptions& options,
                       std::int64_t& lone_surrogates) {
  const std::string at_line = std::to_string(record.line) + ": ";
  if (record.too_long) return at_line + "the record is longer than 16 MiB";
  if (!is_text) {
    if (options.surely_fits && options.surely_fits(record.text)) return "";
    if (const std::string shape = odd_shape(record); !shape.empty()) return at_line + shape;
  }
  if (const std::size_t bad = find_invalid_utf8(record.text); bad != std::string_view::npos) {
    return at_line + "byte " + std::to_string(bad) + " of the record is not valid UTF-8";
  }
  Json json;
  try {
    json = is_text ? line_record(record.text)
                   : parse_json(record.text, "",
                                {.first_line = record.line,
                                 .reject_duplicate_keys = true,
                                 .lone_surrogates = &lone_surrogates});
  } catch (const FileError& error) {
    return std::string(error.what()).substr(1);  // ":line:column: problem" after no name
  }
  const std::string problem = json.is_object() ? options.check(json) : "need a JSON object";
  return problem.empty() ? "" : at_line + problem;
}

BadRecord split_problem(const std::string& text) {
  const std::size_t colon = text.find(": ");
  return {text.substr(0, colon), text.substr(colon + 2)};
}

}  // namespace

RecordIndex::RecordIndex(const std::filesystem::path& path, const RecordIndexOptions& options)
    : name_(path == "-" ? "standard input" : path.string()) {
  const std::unique_ptr<ByteSource> source = open_byte_source(path);
  const bool plain = path != "-" && is_plain_file(path);
  file_ = plain ? RandomFile::open(path) : RandomFile::temporary();
  const auto tee = [&](std::string_view bytes) {
    bytes_ += bytes.size();
    if (!plain) file_.append(bytes);
  };
  constexpr std::size_t kChunk = std::size_t{1} << 20;  // bytes
  RecordScanner scanner(*source, tee, kChunk, options.lines);
  ScannedRecord record;
  while (scanner.next(record)) {
    texts_ = scanner.reads_texts();
    add(record, options);
  }
  records_.shrink_to_fit();
}

void RecordIndex::add(const ScannedRecord& record, const RecordIndexOptions& options) {
  std::int64_t lone_surrogates = 0;
  const std::string problem = problem_of(record, texts_, options, lone_surrogates);
  if (problem.empty() && records_.size() >= std::numeric_limits<std::uint32_t>::max()) {
    throw FileError(name_, "the file holds more than 4,294,967,295 records");
  }
  if (problem.empty()) {
    records_.push_back({record.offset, static_cast<std::uint32_t>(record.text.size()),
                        static_cast<std::uint32_t>(record.line)});
    hasher_.update(record.text);
    hasher_.update("\n");
    num_replaced_ += lone_surrogates > 0 ? 1 : 0;
    return;
  }
  const BadRecord bad = split_problem(problem);
  if (!options.skip_bad_lines) {
    FileError error(name_ + ":" + bad.place, bad.problem,
                    "Mend the record, or leave such records out with --skip-bad-lines.");
    const bool object = record.text.empty() || record.text.starts_with('{');
    if (!object && !options.other_form.empty()) error.add_to_hint(options.other_form);
    throw error;
  }
  add_bad(bad);
}

void RecordIndex::add_bad(BadRecord bad) {
  ++num_bad_;
  if (bad_.size() < kListedBadLines) bad_.push_back(std::move(bad));
}

void RecordIndex::remove(const std::vector<std::int64_t>& indices,
                         const std::vector<std::string>& problems) {
  for (std::size_t i = 0; i < indices.size(); ++i) {
    add_bad({std::to_string(line(indices[i])), problems[i]});
  }
  std::size_t next = 0, kept = 0;
  for (std::size_t i = 0; i < records_.size(); ++i) {
    const bool removed = next < indices.size() && static_cast<std::size_t>(indices[next]) == i;
    if (removed) {
      ++next;
    } else {
      records_[kept++] = records_[i];
    }
  }
  records_.resize(kept);
}

Json RecordIndex::read(std::int64_t index) const {
  const Record& record = at(index);
  const std::string text = file_.read(record.begin, record.size);
  if (text.size() != record.size) {
    throw FileError(name_, "the file has become shorter since it was opened");
  }
  if (texts_) return line_record(text);
  return parse_json(text, name_, {.first_line = record.line, .reject_duplicate_keys = true});
}

}  // namespace svtune
