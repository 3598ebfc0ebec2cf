// The classes of a data set in the order of their ids.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "data/labelled_records.h"

namespace svtune {

class LabelSet {
 public:
  // In this order. Throws UsageError for fewer than two names, an empty one and one given twice,
  // blanks around them aside.
  explicit LabelSet(std::vector<std::string> names);
  // Those that occur, numbers in their order, words in that of their bytes. Throws FileError
  // when there is only one class, or so many that the column surely holds no classes, and for two
  // forms of one number or of one word.
  static LabelSet of(const LabelledRecords& records);

  // The id of a label: of its name, blanks around them aside, else of the one name that is the same
  // number (1 and 1.0), else the label itself where it is a whole number and no name is a number,
  // as data sets with ids write it, or that of LABEL_1. nullopt when it is unknown.
  std::optional<std::int64_t> find(const std::string& label) const;
  std::int64_t size() const { return static_cast<std::int64_t>(names_.size()); }
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
  std::vector<std::pair<std::string, std::int64_t>> sorted_;
  std::vector<std::pair<double, std::int64_t>> numbers_;  // of names that are numbers, sorted
};

// Names of --labels ("no, yes") without the blanks around them, as labels of data are read.
std::vector<std::string> given_labels(std::vector<std::string> names);

// The classes that a config.json names under id2label, in the order of their ids; empty where it
// names none or not all.
std::vector<std::string> id2label_names(const Json& config);
// What transformers calls classes without names, "LABEL_0" and so on, says nothing of their order.
bool are_placeholders(const std::vector<std::string>& names);

// "cat -> dog, dog -> cat": the outputs of a head that are called otherwise now, the first few of
// them; LABEL_1 and 1 are the same. "" where none is, where the earlier names are not known and
// where the numbers differ.
std::string renamed_labels(const std::vector<std::string>& earlier,
                           const std::vector<std::string>& names);

// The id of a record's label. Throws FileError naming file and line when `labels` does not have it.
std::int64_t require_class(const LabelledRecords& records, const LabelledRecord& record,
                           const LabelSet& labels);
// Writes every label as its class is called: ids and other forms of a number stand for it too.
// Throws as require_class().
void spell_as_classes(LabelledRecords& records, const LabelSet& labels);
// What looks as if it were no class, a sentence each: marks of records without a label, fractions,
// names that differ in capitals alone.
std::vector<std::string> doubtful_labels(const LabelSet& labels);
// Number of records of each class; throws as require_class().
std::vector<std::int64_t> class_counts(const LabelledRecords& records, const LabelSet& labels);
// Throws FileError naming the first class without a record.
void require_every_class(const LabelledRecords& records, const LabelSet& labels);
// "train.tsv: 8,551 records; labels: 0 2,528 (29.6 %), 1 6,023 (70.4 %)", of the first hundred.
// `unit`: what the records are called.
std::string class_summary(const LabelledRecords& records, const LabelSet& labels,
                          const std::string& unit = "records");

// The number of a record, for regression. Throws FileError naming file and line when the label is
// no number whose square fits into fp32.
double number_of(const LabelledRecords& records, const LabelledRecord& record);
// "train.tsv: 5,749 records; targets from 0 to 5, mean 2.7, deviation 1.5".
std::string number_summary(const LabelledRecords& records);

}  // namespace svtune
