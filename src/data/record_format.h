// Records as examples: the common data set layouts, found by the first record's keys, and
// mappings for any other. Keeps count of the columns, so that nothing is dropped in silence.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/example.h"
#include "data/record_columns.h"

namespace svtune {

// How many records hold something in a column.
struct ColumnCount {
  std::string name;
  std::string part;  // what the column is read as; "" when it is not read
  std::int64_t rows = 0;
};

struct RecordReaderOptions {
  RecordFormat format = RecordFormat::kAuto;
  // Renames the format's columns, e.g. {"prompt": "foo", "completion": "bar"}.
  ColumnMap columns = {};
  // False where only the prompt is wanted: records may lack the answer.
  bool answers = true;
};

// Throws UsageError for a mapped column that none of the counted ones is; one of the answers may
// be missing where these are not wanted.
void require_mapped_columns(const ColumnMap& mapped, const std::vector<ColumnCount>& counts,
                            bool answers);

class RecordReader {
 public:
  // Throws UsageError for an unknown part.
  explicit RecordReader(RecordReaderOptions options);
  explicit RecordReader(RecordFormat format = RecordFormat::kAuto, ColumnMap columns = {})
      : RecordReader(RecordReaderOptions{format, std::move(columns)}) {}
  ~RecordReader();

  // "" when the record fits, else what is wrong with it; a record that fits is counted in
  // column_counts(). The first record settles kAuto. Throws UsageError when a mapped part does
  // not belong to the format.
  std::string problem(const Json& record);
  // Whether the text is a JSON object that certainly fits, and counts it; much faster than
  // parsing and problem(). False also when in doubt: settled formats with plain fields only.
  bool surely_fits(std::string_view text);
  // Requires: problem(record) was "".
  Example example(const Json& record) const;
  RecordFormat format() const { return settled_ ? columns_.format : options_.format; }

  // The columns of the records that fit, in the order of their first appearance.
  std::vector<ColumnCount> column_counts() const;
  // Throws UsageError for a mapped column that none of the records has.
  void check_mapped_columns() const;

 private:
  struct FastParser;
  struct Seen {
    std::string name;
    std::int64_t rows = 0;  // that hold something
  };

  std::string settle(const Json& record);
  std::string check(const Json& record) const;
  std::string check_pair(const Json& record) const;
  std::string check_conversation(const Json& record) const;
  std::string check_side_columns(const Json& record) const;
  std::string check_system(const Json& record, const Example& example) const;
  std::string check_repetition(const Json& record) const;
  std::string missing(const Json& record, const std::string& part) const;
  Example conversation(const Json& record) const;
  Example pair(const Json& record) const;
  Json completion_of(const Json& record) const;
  void read_sides(const Json& record, Example& example) const;
  void see(std::string_view column, bool empty);

  RecordReaderOptions options_;
  RecordColumns columns_;
  bool settled_ = false;
  std::vector<Seen> seen_;
  std::size_t next_seen_ = 0;  // where the next column is expected in seen_
  std::unique_ptr<FastParser> fast_;
};

}  // namespace svtune
