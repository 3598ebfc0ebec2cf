// The records of a data file by number: JSON lines or a JSON array, plain, .gz, .zst or
// standard input. Only offsets stay in memory (16 bytes a record); records are read when
// asked for, so memory does not grow with the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/json.h"
#include "data/random_file.h"
#include "data/record_scanner.h"

namespace svtune {

struct RecordIndexOptions {
  bool skip_bad_lines = false;  // count and list bad records instead of failing
  // Says what is wrong with a well-formed record; "" when it is fine.
  std::function<std::string(const Json& record)> check;
  // Whether the text is surely a valid record; saves the slower check. May be empty.
  std::function<bool(std::string_view text)> surely_fits;
  // Of texts each line that is not blank is the record {"text": line}.
  LineKind lines = LineKind::kRecords;
  // Joins the hint where a record does not begin as an object: what else reads such a file.
  std::string other_form = {};
};

struct BadRecord {
  std::string place;  // line, or line:column
  std::string problem;
};

class RecordIndex {
 public:
  // Reads and checks the whole file once. Compressed files and standard input are unpacked
  // to a temporary file that vanishes with the object. Throws FileError "path:line: ..." for
  // the first malformed record (unless skipped), a record above 16 MiB, an unreadable file.
  RecordIndex(const std::filesystem::path& path, const RecordIndexOptions& options);

  std::int64_t size() const { return static_cast<std::int64_t>(records_.size()); }
  std::int64_t line(std::int64_t index) const { return at(index).line; }
  // Throws FileError when the file was changed meanwhile.
  Json read(std::int64_t index) const;
  // Takes records out that turned out bad: the indices in ascending order, a problem for each.
  void remove(const std::vector<std::int64_t>& indices, const std::vector<std::string>& problems);
  // Hash of the text of all records in their order, whatever the packaging.
  std::uint64_t fingerprint() const { return hasher_.digest(); }
  std::uint64_t bytes() const { return bytes_; }  // unpacked
  const std::string& name() const { return name_; }
  std::int64_t num_bad() const { return num_bad_; }
  const std::vector<BadRecord>& bad() const { return bad_; }  // 20 at most
  // Records with lone surrogates, which are read as U+FFFD.
  std::int64_t num_replaced() const { return num_replaced_; }

 private:
  struct Record {
    std::uint64_t begin;
    std::uint32_t size, line;
  };
  const Record& at(std::int64_t index) const {
    return records_.at(static_cast<std::size_t>(index));
  }
  void add(const ScannedRecord& record, const RecordIndexOptions& options);
  void add_bad(BadRecord bad);

  std::string name_;
  bool texts_ = false;  // the lines are texts
  RandomFile file_;
  std::uint64_t bytes_ = 0;
  std::vector<Record> records_;
  std::vector<BadRecord> bad_;
  std::int64_t num_bad_ = 0, num_replaced_ = 0;
  Hasher64 hasher_;
};

}  // namespace svtune
