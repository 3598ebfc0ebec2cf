// Cuts a stream of bytes into records: the lines of JSONL, or the elements of a JSON array. The
// first non-blank byte decides, but for files whose lines are texts. Only one record is in memory
// at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "formats/compressed.h"

namespace svtune {

inline constexpr std::size_t kMaxRecordBytes = std::size_t{16} << 20;

enum class LineKind {
  kRecords,          // JSON
  kTexts,            // anything
  kTextsUnlessJson,  // texts, unless the file begins as JSON: with an object, or an array of these
};

struct ScannedRecord {
  std::uint64_t offset = 0;  // of the text in the unpacked stream
  std::string_view text;     // without white space around; valid until the next call
  std::int64_t line = 0;     // where it starts, from 1
  bool too_long = false;     // above kMaxRecordBytes; the text is cut off
};

class RecordScanner {
 public:
  // `tee` (may be empty) sees all bytes of the stream in order, `chunk_bytes` at a time. Where
  // lines are texts every one is a record, whatever it holds.
  RecordScanner(ByteSource& source, std::function<void(std::string_view)> tee,
                std::size_t chunk_bytes = std::size_t{1} << 20,
                LineKind lines = LineKind::kRecords);

  // False at the end. Blank lines are left out, a byte order mark is skipped. Throws FileError
  // for an array that is not closed or is followed by other text, and for a file of another
  // kind (formats/foreign_data.h), which it names.
  bool next(ScannedRecord& record);
  // Whether the lines are texts; known after the first next().
  bool reads_texts() const { return texts_; }

 private:
  enum class Form { kUnknown, kLines, kArray, kDone };

  bool fill();
  bool detect();
  bool next_line(ScannedRecord& record);
  bool next_element(ScannedRecord& record);
  bool skip_blank();
  std::size_t line_start(std::size_t at) const;
  std::size_t element_end(bool& too_long);
  void take(ScannedRecord& record, std::size_t begin, std::size_t end);
  void discard_to(std::size_t position);
  [[noreturn]] void fail(const std::string& what, std::int64_t line,
                         const char* hint = "Was the file cut off?") const;

  ByteSource& source_;
  std::function<void(std::string_view)> tee_;
  std::size_t chunk_bytes_;
  LineKind lines_;
  bool texts_ = false;
  std::string buffer_;
  std::uint64_t base_ = 0;    // offset of buffer_[0] in the stream
  std::size_t position_ = 0;  // in buffer_
  std::int64_t line_ = 1;     // of position_
  bool at_end_ = false;
  bool after_element_ = false;
  Form form_ = Form::kUnknown;
};

}  // namespace svtune
