// Rows of CSV and TSV texts. CSV follows RFC 4180: quoted cells may hold separators, doubled quotes
// and line breaks. In TSV as GLUE ships it a quote is a character like any other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace svtune {

enum class Quoting { kNone, kQuotedCells };

struct DelimitedRow {
  std::vector<std::string> cells;
  std::int64_t line = 0;  // where it starts, from 1
  std::string problem;    // "" when the row is well-formed; the next row starts on the next line
};

class DelimitedRows {
 public:
  // `text` must outlive the reader. A byte order mark in front is skipped.
  DelimitedRows(std::string_view text, char separator, Quoting quoting);

  // False at the end. Blank lines are left out.
  bool next(DelimitedRow& row);

 private:
  bool skip_blank_lines();
  std::size_t line_end(std::size_t from) const;
  // Appends the cell at `at`, which moves to what ends it; false when it is malformed.
  bool quoted_cell(std::size_t& at, DelimitedRow& row);
  void plain_cell(std::size_t& at, std::size_t end, DelimitedRow& row);

  std::string_view text_;
  char separator_;
  Quoting quoting_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;  // of at_
};

}  // namespace svtune
