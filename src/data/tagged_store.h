// Texts whose words have a class each, as tokens. The ids of all texts are held in memory, four
// bytes a token.
//
// Each word is tokenised alone, as it is behind a blank, and its class belongs to its first token:
// what transformers' examples do with is_split_into_words (byte-level tokenizers there need
// add_prefix_space for it) and labels of -100 for the further tokens of a word.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/labelled_documents.h"
#include "text/tokenizer.h"

namespace svtune {

struct TaggedStoreOptions {
  std::int64_t max_length = 512;  // tokens with the special ones; what is beyond is cut
  bool skip_bad_lines = false;    // leave out what the tokenizer refuses
};

class TaggedStore final : public LabelledDocuments {
 public:
  // Texts done, of how many.
  using Progress = std::function<void(std::int64_t done, std::int64_t total)>;

  // `records` as read_tagged() gives them. Throws FileError "path:line: ..." for a class that
  // `labels` does not know and for a text that the tokenizer refuses (unless skipped) or where no
  // text has a word to learn; UsageError where max_length leaves no room beside the special tokens.
  TaggedStore(LabelledRecords records, const Tokenizer& tokenizer, LabelSet labels,
              TaggedStoreOptions options, const Progress& progress = {});

  std::int64_t size() const override { return static_cast<std::int64_t>(texts_.size()); }
  // 0 for a text without a word that has a class and a token.
  std::int64_t length(std::int64_t index) const override;
  void append_to(PackedBatch& batch, std::int64_t index) const override;
  std::int64_t tokens() const override { return tokens_; }
  std::uint64_t fingerprint() const override { return fingerprint_; }

  const LabelSet* labels() const override { return &labels_; }
  const LabelledRecords& records() const override { return records_; }
  std::string summary() const override;
  std::vector<std::string> losses() const override;
  const std::vector<std::uint32_t>* learnt_words(std::int64_t index) const override {
    return &text(index).words;
  }

 private:
  struct Text {
    std::vector<std::int32_t> ids;      // with the special ones
    std::vector<std::uint32_t> words;   // that are learned, as in LabelledRecord::words
    std::vector<std::uint32_t> places;  // of their first tokens in `ids`
    std::vector<std::int32_t> classes;  // of them
  };
  const Text& text(std::int64_t index) const { return texts_.at(static_cast<std::size_t>(index)); }
  // Of each word; -1: none.
  std::vector<std::int32_t> classes_of(const LabelledRecord& record) const;
  Text encode(const LabelledRecord& record, const std::vector<std::int32_t>& classes,
              const Tokenizer& tokenizer);

  TaggedStoreOptions options_;
  LabelSet labels_;
  LabelledRecords records_;
  std::string unframed_;
  std::uint64_t fingerprint_ = 0;
  std::vector<Text> texts_;
  std::int64_t tokens_ = 0;
  std::int64_t cut_ = 0, cut_words_ = 0;  // texts, and the words with a class that were lost so
  std::int64_t empty_words_ = 0;          // words with a class of which the tokenizer makes nothing
};

}  // namespace svtune
