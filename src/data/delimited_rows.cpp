#include "data/delimited_rows.h"

#include <algorithm>

#include "base/text_util.h"

namespace svtune {

DelimitedRows::DelimitedRows(std::string_view text, char separator, Quoting quoting)
    : text_(without_byte_order_mark(text)), separator_(separator), quoting_(quoting) {}

std::size_t DelimitedRows::line_end(std::size_t from) const {
  return std::min(text_.find('\n', from), text_.size());
}

bool DelimitedRows::skip_blank_lines() {
  while (at_ < text_.size() && (text_[at_] == '\n' || text_.substr(at_, 2) == "\r\n")) {
    at_ = line_end(at_) + 1;
    ++line_;
  }
  return at_ < text_.size();
}

void DelimitedRows::plain_cell(std::size_t& at, std::size_t end, DelimitedRow& row) {
  const std::size_t stop = std::min(text_.find(separator_, at), end);
  std::string_view cell = text_.substr(at, stop - at);
  if (stop == end && cell.ends_with('\r')) cell.remove_suffix(1);
  row.cells.emplace_back(cell);
  at = stop;
}

bool DelimitedRows::quoted_cell(std::size_t& at, DelimitedRow& row) {
  std::string cell;
  for (std::size_t i = at + 1;;) {
    const std::size_t quote = text_.find('"', i);
    if (quote == std::string_view::npos) {
      row.problem =
          "a quote that opens cell " + std::to_string(row.cells.size() + 1) + " is not closed";
      return false;
    }
    cell += text_.substr(i, quote - i);
    i = quote + 1;
    if (i < text_.size() && text_[i] == '"') {
      cell += '"';
      ++i;
      continue;
    }
    at = i;
    break;
  }
  if (text_.substr(at, 2) == "\r\n") ++at;
  const bool ends = at == text_.size() || text_[at] == separator_ || text_[at] == '\n';
  if (!ends) {
    row.problem =
        "there is text behind the closing quote of cell " + std::to_string(row.cells.size() + 1);
    return false;
  }
  row.cells.push_back(std::move(cell));
  return true;
}

bool DelimitedRows::next(DelimitedRow& row) {
  row = {};
  if (!skip_blank_lines()) return false;
  row.line = line_;
  const std::size_t begin = at_;
  std::size_t at = begin;
  for (;;) {
    const bool quoted = quoting_ == Quoting::kQuotedCells && at < text_.size() && text_[at] == '"';
    if (!quoted) {
      plain_cell(at, line_end(at), row);
    } else if (!quoted_cell(at, row)) {
      at = line_end(begin);
      break;
    }
    if (at == text_.size() || text_[at] == '\n') break;
    ++at;  // the separator
  }
  line_ += std::ranges::count(text_.substr(begin, at - begin), '\n') + 1;
  at_ = std::min(at + 1, text_.size());
  return true;
}

}  // namespace svtune
