// CSV and TSV of arbitrary bytes: rows come in ascending lines, every cell is part of the text, and
// a text without quotes has the same rows in both ways of quoting.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "data/delimited_rows.h"

namespace {

std::vector<svtune::DelimitedRow> rows_of(std::string_view text, svtune::Quoting quoting) {
  svtune::DelimitedRows rows(text, ',', quoting);
  std::vector<svtune::DelimitedRow> out;
  svtune::DelimitedRow row;
  std::size_t bytes = 0;
  while (rows.next(row)) {
    if (!out.empty() && row.line <= out.back().line) std::abort();
    for (const std::string& cell : row.cells) bytes += cell.size();
    out.push_back(row);
  }
  // A row that an open quote spoils is read again line by line.
  if (quoting == svtune::Quoting::kNone && bytes > text.size()) std::abort();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto plain = rows_of(text, svtune::Quoting::kNone);
  const auto quoted = rows_of(text, svtune::Quoting::kQuotedCells);
  if (text.find('"') != std::string_view::npos) return 0;
  if (plain.size() != quoted.size()) std::abort();
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (plain[i].cells != quoted[i].cells || !quoted[i].problem.empty()) std::abort();
  }
  return 0;
}
