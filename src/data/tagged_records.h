// Texts whose words have a class each: JSON with two lists, or files with a word in each line, as
// CoNLL's. All records of a file are held in memory.
#pragma once

#include <filesystem>
#include <string_view>

#include "data/label_set.h"
#include "data/labelled_records.h"

namespace svtune {

// Stands for the class of a word that is neither learned nor measured, as transformers' -100 does.
inline constexpr std::string_view kNoTag = "-100";

// Reads a file, plain, .gz, .zst or standard input ("-"); LabelledRecord::words and tags are set.
// Throws FileError "path:line: ..." for the first bad record unless these are skipped (lists of
// different lengths, an empty word or class, a line with another number of cells, text that is not
// UTF-8, malformed JSON) and for a file without a record; UsageError for columns that the file does
// not have and for a form that has no words.
LabelledRecords read_tagged(const std::filesystem::path& path, const LabelledOptions& options);

// A record for each word that has a class, with the class as label and nothing else: what
// label_set.h counts and checks.
LabelledRecords tagged_words(const LabelledRecords& texts);

// "train.conll: 203,621 words in 14,041 texts; labels: O 169,578 (83.3 %), ...".
std::string tag_summary(const LabelledRecords& texts, const LabelSet& labels);

}  // namespace svtune
