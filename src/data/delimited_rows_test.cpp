#include "data/delimited_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/oracle_test_util.h"

namespace svtune {
namespace delimited_rows_test {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<DelimitedRow> rows_of(const std::string& text, char separator, Quoting quoting) {
  DelimitedRows rows(text, separator, quoting);
  std::vector<DelimitedRow> out;
  DelimitedRow row;
  while (rows.next(row)) out.push_back(row);
  return out;
}

TEST(DelimitedRows, QuotesOfTsvAreCharacters) {
  const auto rows = rows_of(
      "\xEF\xBB\xBF"
      "a\tb\r\n\"x\ty\"\n\n\tz\"",
      '\t', Quoting::kNone);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_THAT(rows[0].cells, ElementsAre("a", "b"));
  EXPECT_THAT(rows[1].cells, ElementsAre("\"x", "y\""));
  EXPECT_THAT(rows[2].cells, ElementsAre("", "z\""));
  EXPECT_EQ(rows[2].line, 4);
}

TEST(DelimitedRows, QuotedCellsOfCsvHoldLinesAndQuotes) {
  const auto rows = rows_of("a,\"b,\"\"c\nd\"\"\",\r\n\"\",e\n", ',', Quoting::kQuotedCells);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_THAT(rows[0].cells, ElementsAre("a", "b,\"c\nd\"", ""));
  EXPECT_THAT(rows[1].cells, ElementsAre("", "e"));
  EXPECT_EQ(rows[1].line, 3);
}

TEST(DelimitedRows, MalformedQuotesAreAProblemOfTheirLine) {
  const auto rows = rows_of("\"a\"b,c\nd,e\n\"f\ng,h\n", ',', Quoting::kQuotedCells);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_THAT(rows[0].problem, HasSubstr("behind the closing quote of cell 1"));
  EXPECT_THAT(rows[1].cells, ElementsAre("d", "e"));
  EXPECT_THAT(rows[2].problem, HasSubstr("cell 1 is not closed"));
  EXPECT_EQ(rows[2].line, 3);
  EXPECT_THAT(rows[3].cells, ElementsAre("g", "h"));
}

// Python's csv module, on random tables that it writes with as many quotes as needed.
TEST(DelimitedRows, CsvEqualsPythonsModule) {
  const std::string python = test::oracle_python("csv");
  if (python.empty()) GTEST_SKIP() << "no Python";
  const std::string script = R"(
import csv, io, random, sys
r = random.Random(5)
out = io.StringIO()
w = csv.writer(out, lineterminator=r.choice(["\n", "\r\n"]))
cells = ['a', '', 'x y', ',', '"', '""', 'q"r', 'l1\nl2', ' s ', "'", 'é', '\t', ',"\n"']
for _ in range(300):
    w.writerow(['k'] + [''.join(r.choices(cells, k=r.randrange(3))) for _ in range(4)])
text = out.getvalue()
rows = list(csv.reader(io.StringIO(text)))
sys.stdout.buffer.write((text + "\0" + "\x1e".join("\x1f".join(row) for row in rows)).encode()))";
  const std::string output = test::run_oracle(python, script);
  const std::size_t cut = output.find('\0');
  ASSERT_NE(cut, std::string::npos);
  std::string got;
  for (const DelimitedRow& row : rows_of(output.substr(0, cut), ',', Quoting::kQuotedCells)) {
    EXPECT_EQ(row.problem, "");
    if (!got.empty()) got += '\x1e';
    for (std::size_t i = 0; i < row.cells.size(); ++i) got += (i > 0 ? "\x1f" : "") + row.cells[i];
  }
  EXPECT_EQ(got, output.substr(cut + 1));
}

}  // namespace delimited_rows_test
}  // namespace svtune
