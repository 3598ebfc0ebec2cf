// The examples of a data set by number, tokenised when needed.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fields.h"
#include "data/encode.h"
#include "data/record_format.h"
#include "data/record_index.h"

namespace svtune {

struct DataOptions {
  RecordFormat format = RecordFormat::kAuto;
  ColumnMap columns = {};
  bool skip_bad_lines = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.format, {.name = "format", .help = "Layout of the records"});
    visit(self.columns,
          {.name = "columns", .help = "Columns by role, e.g. prompt=question,completion=answer"});
    visit(self.skip_bad_lines,
          {.name = "skip_bad_lines", .help = "Leave malformed records out and list them"});
  }
};

// What became of the examples tokenised so far; each counts once.
struct EncodeStats {
  std::int64_t examples = 0;    // in the file
  std::int64_t seen = 0;        // tokenised at least once
  std::int64_t truncated = 0;   // of those seen
  std::int64_t dropped = 0;     // of those seen: nothing left to learn from
  std::int64_t bad_lines = 0;   // skipped records
  std::int64_t tokens = 0;      // of those seen and kept
  std::int64_t supervised = 0;  // tokens
  std::int64_t longest = 0;     // tokens
};

// Small files are tokenised at once and kept; of larger ones only offsets stay in memory and
// a sample is looked at first, so training starts soon whatever the size.
class ExampleStore {
 public:
  // Throws FileError when the file is malformed, holds no example, or none has a token to
  // learn from (the message counts why).
  ExampleStore(const std::filesystem::path& path, const DataOptions& options,
               std::shared_ptr<const ExampleEncoder> encoder);

  std::int64_t size() const { return index_.size(); }
  // The tokens of one example; nullopt when nothing is left to learn from. Counts in stats(),
  // so not for several threads at once.
  std::optional<TokenizedExample> get(std::int64_t index) const;
  Example example(std::int64_t index) const;
  const EncodeStats& stats() const { return stats_; }
  // As stats() were after construction: of all examples, or of an even sample.
  const EncodeStats& sample_stats() const { return sample_stats_; }
  const RecordIndex& records() const { return index_; }
  const ExampleEncoder& encoder() const { return *encoder_; }
  // Hash of size and a sample of the contents: tells whether a resumed run has the same data.
  std::uint64_t fingerprint() const { return fingerprint_; }

 private:
  TokenizedExample look_at(std::int64_t index) const;
  TokenizedExample encode(std::int64_t index) const;
  [[noreturn]] void fail_empty() const;
  [[noreturn]] void fail_all_dropped() const;
  std::uint64_t content_hash() const;

  RecordReader reader_;
  RecordIndex index_;
  std::shared_ptr<const ExampleEncoder> encoder_;
  std::vector<TokenizedExample> kept_;  // all examples, or none
  mutable EncodeStats stats_;
  EncodeStats sample_stats_;
  mutable std::vector<bool> seen_;
  std::uint64_t fingerprint_ = 0;
};

}  // namespace svtune
