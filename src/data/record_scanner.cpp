#include "data/record_scanner.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/text_util.h"
#include "formats/foreign_data.h"

namespace svtune {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// An object, or an array of objects or of nothing.
bool starts_as_json(std::string_view text) {
  text = trim(without_byte_order_mark(text));
  if (!text.starts_with('[')) return text.starts_with('{');
  text = trim(text.substr(1));
  return text.starts_with('{') || text.starts_with(']');
}

}  // namespace

RecordScanner::RecordScanner(ByteSource& source, std::function<void(std::string_view)> tee,
                             std::size_t chunk_bytes, LineKind lines)
    : source_(source), tee_(std::move(tee)), chunk_bytes_(chunk_bytes), lines_(lines) {}

void RecordScanner::fail(const std::string& what, std::int64_t line, const char* hint) const {
  throw FileError(source_.name() + ":" + std::to_string(line), what, hint);
}

bool RecordScanner::fill() {
  if (at_end_) return false;
  const std::size_t old_size = buffer_.size();
  buffer_.resize(old_size + chunk_bytes_);
  const std::size_t got = source_.read({buffer_.data() + old_size, chunk_bytes_});
  buffer_.resize(old_size + got);
  if (tee_ && got > 0) tee_(std::string_view(buffer_).substr(old_size));
  at_end_ = got < chunk_bytes_;
  return got > 0;
}

// Moves on to `position`, counting lines, and forgets what lies before it.
void RecordScanner::discard_to(std::size_t position) {
  line_ += std::count(buffer_.begin() + static_cast<std::ptrdiff_t>(position_),
                      buffer_.begin() + static_cast<std::ptrdiff_t>(position), '\n');
  position_ = position;
  // Moving the rest to the front once per chunk keeps the work linear.
  if (position_ >= chunk_bytes_ || position_ == buffer_.size()) {
    base_ += position_;
    buffer_.erase(0, position_);
    position_ = 0;
  }
}

// Where the line that has its first character at `at` begins: the indentation of a text is part
// of it, as long as a record may be.
std::size_t RecordScanner::line_start(std::size_t at) const {
  if (!texts_ || at == position_) return at;
  const std::size_t newline = buffer_.rfind('\n', at - 1);
  const bool is_first = newline == std::string::npos || newline < position_;
  const std::size_t start = is_first ? position_ : newline + 1;
  return at - start > kMaxRecordBytes ? at : start;
}

bool RecordScanner::skip_blank() {
  for (;;) {
    std::size_t at = position_;
    while (at < buffer_.size() && is_blank(buffer_[at])) ++at;
    const bool found = at < buffer_.size();
    discard_to(line_start(at));
    if (found) return true;
    if (!fill()) return false;
  }
}

bool RecordScanner::detect() {
  while (buffer_.size() < kForeignBytes && fill()) {
  }
  const std::string_view start = std::string_view(buffer_).substr(0, kForeignBytes);
  texts_ = lines_ == LineKind::kTexts ||
           (lines_ == LineKind::kTextsUnlessJson && !starts_as_json(start));
  const DataForm wanted = texts_ ? DataForm::kLines : DataForm::kJson;
  const auto foreign = recognise_foreign(start, source_.name(), wanted);
  if (foreign) throw FileError(source_.name(), foreign->what, foreign->hint);
  if (buffer_.starts_with(kByteOrderMark)) position_ = kByteOrderMark.size();
  if (!skip_blank()) return false;
  form_ = buffer_[position_] == '[' && !texts_ ? Form::kArray : Form::kLines;
  if (form_ == Form::kArray) discard_to(position_ + 1);
  return true;
}

bool RecordScanner::next(ScannedRecord& record) {
  if (form_ == Form::kUnknown && !detect()) form_ = Form::kDone;
  switch (form_) {
    case Form::kLines:
      return next_line(record);
    case Form::kArray:
      return next_element(record);
    default:
      return false;
  }
}

void RecordScanner::take(ScannedRecord& record, std::size_t begin, std::size_t end) {
  if (texts_) {
    if (end > begin && buffer_[end - 1] == '\r') --end;
  } else {
    while (end > begin && is_blank(buffer_[end - 1])) --end;
  }
  record.offset = base_ + begin;
  record.text = std::string_view(buffer_).substr(begin, end - begin);
  record.line = line_;
  record.too_long = record.too_long || record.text.size() > kMaxRecordBytes;
}

bool RecordScanner::next_line(ScannedRecord& record) {
  record = {};
  if (!skip_blank()) return false;
  std::size_t searched = position_;
  for (;;) {
    const std::size_t newline = buffer_.find('\n', searched);
    if (newline != std::string::npos || at_end_) {
      const std::size_t end = std::min(newline, buffer_.size());
      take(record, position_, end);
      position_ = end;  // the newline itself is counted as blank
      return true;
    }
    searched = buffer_.size();
    if (searched - position_ > kMaxRecordBytes + chunk_bytes_) {
      // Keep the start for its offset and line; drop the middle.
      record.too_long = true;
      base_ += chunk_bytes_;
      buffer_.erase(position_, chunk_bytes_);
      searched = buffer_.size();
    }
    fill();
  }
}

// Position of the ',' or ']' that ends the element at position_. A '}' too many stays within its
// element, which is then malformed by itself.
std::size_t RecordScanner::element_end(bool& too_long) {
  const std::int64_t first_line = line_;
  int depth = 0;
  bool in_string = false;
  std::size_t at = position_;
  for (;; ++at) {
    while (at >= buffer_.size()) {
      if (at - position_ > kMaxRecordBytes + chunk_bytes_) {
        too_long = true;
        line_ += std::count(buffer_.begin() + static_cast<std::ptrdiff_t>(position_),
                            buffer_.begin() + static_cast<std::ptrdiff_t>(position_ + chunk_bytes_),
                            '\n');
        base_ += chunk_bytes_;
        buffer_.erase(position_, chunk_bytes_);
        at -= chunk_bytes_;
      }
      if (!fill()) {
        fail("the JSON array is not closed; its last element starts in this line", first_line);
      }
    }
    const char c = buffer_[at];
    if (in_string) {
      if (c == '"') in_string = false;
      if (c == '\\') ++at;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (depth == 0 && (c == ',' || c == ']')) {
      return at;
    } else if (depth > 0 && (c == '}' || c == ']')) {
      --depth;
    }
  }
}

bool RecordScanner::next_element(ScannedRecord& record) {
  record = {};
  if (!skip_blank()) fail("the JSON array is not closed", line_);
  const bool closed = buffer_[position_] == ']';
  if (closed && !after_element_) {
    discard_to(position_ + 1);
    form_ = Form::kDone;
    if (skip_blank()) {
      fail("there is text after the JSON array", line_,
           "A file holds one array; jq -c '.[]' FILE makes JSON lines of several.");
    }
    return false;
  }
  const std::int64_t line = line_;
  const std::size_t end = element_end(record.too_long);
  take(record, position_, end);
  record.line = line;
  line_ += std::count(record.text.begin(), record.text.end(), '\n');
  // A ',' is followed by another element; a ']' is left for the next call.
  after_element_ = buffer_[end] == ',';
  const std::string_view rest = std::string_view(buffer_).substr(
      position_ + record.text.size(), end - position_ - record.text.size());
  line_ += std::count(rest.begin(), rest.end(), '\n');
  position_ = end + (after_element_ ? 1 : 0);
  return true;
}

}  // namespace svtune
