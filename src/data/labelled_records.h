// Texts with labels: GLUE's TSV files, CSV, JSON lines. All records of a file are held in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/labelled_options.h"
#include "data/record_index.h"

namespace svtune {

struct LabelledRecord {
  std::string first;                  // the text; of words with a class each they, blanks between
  std::optional<std::string> second;  // of a pair
  std::string label;                  // a word or a number, as the file spells it; of words theirs
  std::int64_t line = 0;              // 0: `first` is a file of its own
  std::string adapter = {};           // of LabelledOptions::adapter_column; empty: not said
  std::vector<std::string> words = {}, tags = {};  // as many of each (tagged_records.h)
};

struct LabelledRecords {
  std::string name;  // of the file
  std::vector<LabelledRecord> records;
  std::vector<BadRecord> bad;  // 20 at most
  std::int64_t num_bad = 0;
  std::string text_columns, label_column;   // that were read
  std::vector<std::string> unused_columns;  // that are there beside them

  std::string place(const LabelledRecord& record) const {
    return record.line == 0 ? record.first : name + ":" + std::to_string(record.line);
  }
  // Takes a record out as bad; throws FileError when bad ones are not skipped.
  void refuse(const std::string& place, const std::string& problem, bool skip);
  // The same, without a choice; at most 20 are kept in `bad`.
  void leave_out(std::string place, std::string problem);
  // Throws FileError for a set without a record, naming the first bad one where there are some.
  [[noreturn]] void refuse_empty() const;
  // "train.tsv: 3 bad records are left out", and which.
  std::string left_out() const;
  // Of the same file and columns.
  LabelledRecords without_records() const;
  // Hash of all texts and labels in their order.
  std::uint64_t fingerprint() const;
};

// ".tsv" of "a.TSV.gz": what the name says of the form, packing aside; in lower case.
std::string form_extension(const std::filesystem::path& path);

// Reads a file, plain, .gz, .zst or standard input ("-"). Throws FileError "path:line: ..." for the
// first bad record unless these are skipped (a missing column, more cells than columns, an empty
// label, text that is not UTF-8, malformed quotes or JSON) and for a file without a record;
// UsageError for columns that the file does not have, for JSON that is said to have no header and
// for lines of words (TableForm::kWords), which tagged_records.h reads.
LabelledRecords read_labelled(const std::filesystem::path& path, const LabelledOptions& options);

// All bytes of a file as open_byte_source() gives them. Throws FileError for another kind of file
// and for lines that end with carriage returns alone.
std::string read_table_text(const std::filesystem::path& path);

// Takes a share of the records (at least one, and not all) out for evaluation, chosen by the seed;
// both parts keep the order of the file. Throws UsageError when there are fewer than two records.
LabelledRecords hold_out(LabelledRecords& records, double share, std::uint64_t seed);

}  // namespace svtune
