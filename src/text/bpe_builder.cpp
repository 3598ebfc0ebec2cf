#include "text/bpe_builder.h"

#include <utility>

#include "base/errors.h"

namespace svtune {

void BpeBuilder::reserve(std::size_t tokens, std::size_t bytes, std::size_t merges) {
  vocabulary_.reserve(tokens, bytes);
  merges_.reserve(merges);
}

void BpeBuilder::add_token(std::string_view token, std::int64_t id) {
  if (id < 0 || id > kMaxTokenId) {
    throw FileError(file_, "token \"" + std::string(token) + "\" has id " + std::to_string(id) +
                               ", ids must be from 0 to " + std::to_string(kMaxTokenId));
  }
  vocabulary_.add(token, static_cast<std::int32_t>(id));
}

std::int32_t BpeBuilder::require(std::string_view token, std::string_view left,
                                 std::string_view right) const {
  const std::int32_t id = vocabulary_.find(token);
  if (id < 0) {
    throw FileError(file_, "merge " + std::to_string(next_rank_) + " (\"" + std::string(left) +
                               "\" and \"" + std::string(right) + "\") needs the token \"" +
                               std::string(token) + "\", which is not in the vocabulary");
  }
  return id;
}

void BpeBuilder::add_merge(std::string_view left, std::string_view right) {
  joined_.assign(left).append(right);
  const std::int32_t left_id = require(left, left, right);
  const std::int32_t right_id = require(right, left, right);
  merges_.set(left_id, right_id, next_rank_, require(joined_, left, right));
  ++next_rank_;
}

void BpeBuilder::add_merge_line(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
    throw FileError(file_, "merge " + std::to_string(next_rank_) + " is \"" + std::string(line) +
                               "\", must be two tokens with one space between them");
  }
  add_merge(line.substr(0, space), line.substr(space + 1));
}

std::unique_ptr<BpeModel> BpeBuilder::build(BpeOptions options) {
  if (vocabulary_.size() == 0) throw FileError(file_, "the vocabulary is empty");
  next_rank_ = 0;
  return std::make_unique<BpeModel>(std::exchange(vocabulary_, {}), std::exchange(merges_, {}),
                                    std::move(options));
}

}  // namespace svtune
