// Documents with a class or a number each, or one for each of their words, whatever they are read
// from: texts or images.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/document_store.h"
#include "data/label_set.h"
#include "data/labelled_records.h"

namespace svtune {

class LabelledDocuments : public DocumentStore {
 public:
  // The classes in the order of their ids; null where documents have numbers.
  virtual const LabelSet* labels() const = 0;
  // One of each document, in their order.
  virtual const LabelledRecords& records() const = 0;
  // "train.tsv: 8,551 records; labels: ...".
  virtual std::string summary() const = 0;
  // What was left out or cut, and what the model will not see as it was trained, in words; empty
  // when nothing was.
  virtual std::vector<std::string> losses() const = 0;
  // Of texts whose words have classes: the words of a document that the model learns, as indices in
  // LabelledRecord::words, in the order in which append_to() supervises them. Null: the documents
  // themselves have labels.
  virtual const std::vector<std::uint32_t>* learnt_words(
      [[maybe_unused]] std::int64_t index) const {
    return nullptr;
  }

  // 0 where documents have numbers.
  std::int64_t num_classes() const { return labels() == nullptr ? 0 : labels()->size(); }
};

}  // namespace svtune
