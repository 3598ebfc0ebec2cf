// Texts with a class or a number each, as tokens. The ids of all documents are held in memory, four
// bytes a token.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/labelled_documents.h"
#include "text/tokenizer.h"

namespace svtune {

struct LabelledStoreOptions {
  std::int64_t max_length = 512;        // tokens with the special ones; of a pair the longer text
                                        // is cut first
  std::optional<LabelSet> labels = {};  // unset: every label is a number
  bool skip_bad_lines = false;          // leave out what the tokenizer refuses or makes no token of
};

// A warning where the tokenizer puts no special tokens around a text, which encoders are trained
// with; "" where it does. Stores of framed texts tell it among their losses.
std::string unframed_warning(const Tokenizer& tokenizer);

class LabelledStore final : public LabelledDocuments {
 public:
  // Records done, of how many.
  using Progress = std::function<void(std::int64_t done, std::int64_t total)>;

  // Throws FileError "path:line: ..." for a label that `options` does not know or that is no
  // number, and for a text that the tokenizer refuses or that has no token (unless skipped);
  // UsageError where max_length leaves no room beside the special tokens and for pairs that the
  // tokenizer has no form for.
  LabelledStore(LabelledRecords records, const Tokenizer& tokenizer, LabelledStoreOptions options,
                const Progress& progress = {});

  std::int64_t size() const override { return static_cast<std::int64_t>(ends_.size()); }
  std::int64_t length(std::int64_t index) const override { return end(index) - begin(index); }
  void append_to(PackedBatch& batch, std::int64_t index) const override;
  std::int64_t tokens() const override { return static_cast<std::int64_t>(ids_.size()); }
  std::uint64_t fingerprint() const override { return fingerprint_; }

  const LabelSet* labels() const override { return options_.labels ? &*options_.labels : nullptr; }
  // Of a document, in [0, size()).
  std::int64_t class_of(std::int64_t index) const { return classes_.at(place(index)); }
  double number_of(std::int64_t index) const { return numbers_.at(place(index)); }
  const LabelledRecords& records() const override { return records_; }
  std::string summary() const override;
  std::vector<std::string> losses() const override;

 private:
  static std::size_t place(std::int64_t index) { return static_cast<std::size_t>(index); }
  std::int64_t begin(std::int64_t index) const { return index == 0 ? 0 : ends_[place(index - 1)]; }
  std::int64_t end(std::int64_t index) const { return ends_.at(place(index)); }
  void add(const LabelledRecord& record, const TypedTokens& tokens);

  LabelledStoreOptions options_;
  LabelledRecords records_;
  std::string unframed_;
  std::uint64_t fingerprint_ = 0;
  std::vector<std::int32_t> ids_;
  std::vector<std::int32_t> types_;  // of ids_, or empty when all are 0
  std::vector<std::int64_t> ends_;   // of each document, in ids_
  std::vector<std::int64_t> classes_;
  std::vector<double> numbers_;
  std::int64_t cut_ = 0;
};

}  // namespace svtune
