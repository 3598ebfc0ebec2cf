#include "data/record_index.h"

#include <limits>
#include <memory>

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {
namespace {

constexpr std::size_t kListedProblems = 20;

// What is wrong with the text of a record; "" when it is fine.
std::string problem_of(const ScannedRecord& record, const RecordIndexOptions& options) {
  if (record.too_long) return "the record is longer than 16 MiB";
  if (options.surely_fits && options.surely_fits(record.text)) return "";
  if (const std::size_t bad = find_invalid_utf8(record.text); bad != std::string_view::npos) {
    return "byte " + std::to_string(bad) + " of the record is not valid UTF-8";
  }
  try {
    const Json json = parse_json(record.text, "");
    return json.is_object() ? options.check(json) : "need a JSON object";
  } catch (const FileError& error) {
    const std::string_view message = error.what();
    return std::string(message.starts_with(": ") ? message.substr(2) : message);
  }
}

}  // namespace

RecordIndex::RecordIndex(const std::filesystem::path& path, const RecordIndexOptions& options)
    : name_(path == "-" ? "standard input" : path.string()) {
  const std::unique_ptr<ByteSource> source = open_byte_source(path);
  const bool plain = path != "-" && is_plain_file(path);
  file_ = plain ? RandomFile::open(path) : RandomFile::temporary();
  RecordScanner scanner(*source, [&](std::string_view bytes) {
    bytes_ += bytes.size();
    if (!plain) file_.append(bytes);
  });
  ScannedRecord record;
  while (scanner.next(record)) add(record, options);
  records_.shrink_to_fit();
}

void RecordIndex::add(const ScannedRecord& record, const RecordIndexOptions& options) {
  std::string problem = problem_of(record, options);
  if (problem.empty() && records_.size() >= std::numeric_limits<std::uint32_t>::max()) {
    problem = "the file holds more than 4,294,967,295 records";
  }
  if (problem.empty()) {
    records_.push_back({record.offset, static_cast<std::uint32_t>(record.text.size()),
                        static_cast<std::uint32_t>(record.line)});
    return;
  }
  if (!options.skip_bad_lines) {
    throw FileError(name_ + ":" + std::to_string(record.line), problem,
                    "Mend the record, or leave such records out with --skip-bad-lines.");
  }
  ++num_bad_;
  if (bad_.size() < kListedProblems) bad_.push_back({record.line, problem});
}

Json RecordIndex::read(std::int64_t index) const {
  const Record& record = at(index);
  const std::string text = file_.read(record.begin, record.size);
  if (text.size() != record.size) {
    throw FileError(name_, "the file has become shorter since it was opened");
  }
  return parse_json(text, name_ + ":" + std::to_string(record.line));
}

}  // namespace svtune
