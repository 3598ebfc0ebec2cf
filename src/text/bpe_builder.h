// Collects the vocabulary and the merges of a byte-pair model from any file format and checks
// them: ids in range, merges of known tokens that give a known token.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe_model.h"

namespace svtune {

class BpeBuilder {
 public:
  // `file` names the source in errors.
  explicit BpeBuilder(std::string file) : file_(std::move(file)) {}

  void reserve(std::size_t tokens, std::size_t bytes, std::size_t merges);
  // Throws FileError when the id is outside 0 ... kMaxTokenId.
  void add_token(std::string_view token, std::int64_t id);
  // The next merge, after all tokens. The views must stay valid until build(). Throws FileError,
  // now or later, when one of the three tokens is unknown.
  void add_merge(std::string_view left, std::string_view right);
  // A line "left right" of a merges list. Throws FileError when it has another form.
  void add_merge_line(std::string_view line);

  const Vocabulary& vocabulary() const { return vocabulary_; }
  const std::string& file() const { return file_; }
  // Leaves the builder empty. Throws FileError when there is no token at all.
  std::unique_ptr<BpeModel> build(BpeOptions options);

 private:
  struct PendingMerge {
    std::string_view left;
    std::string_view right;
    std::int32_t left_id;
    std::int32_t right_id;
    std::int32_t joined_id;
  };
  std::int32_t require(std::string_view token, const PendingMerge& merge) const;
  void flush();

  std::string file_;
  Vocabulary vocabulary_;
  MergeTable merges_;
  std::uint32_t next_rank_ = 0;
  std::vector<PendingMerge> pending_;  // looked up together, so that memory is waited for once
};

}  // namespace svtune
