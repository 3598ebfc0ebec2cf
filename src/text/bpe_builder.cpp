#include "text/bpe_builder.h"

#include <array>
#include <utility>

#include "base/errors.h"

namespace svtune {
namespace {

constexpr std::size_t kMergesAtOnce = 32;

}  // namespace

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

std::int32_t BpeBuilder::require(std::string_view token, const PendingMerge& merge) const {
  const std::int32_t id = vocabulary_.find(token);
  if (id < 0) {
    throw FileError(file_, "merge " + std::to_string(next_rank_ + (&merge - pending_.data())) +
                               " (\"" + std::string(merge.left) + "\" and \"" +
                               std::string(merge.right) + "\") needs the token \"" +
                               std::string(token) + "\", which is not in the vocabulary");
  }
  return id;
}

void BpeBuilder::add_merge(std::string_view left, std::string_view right) {
  pending_.push_back({left, right, -1, -1, -1});
  if (pending_.size() == kMergesAtOnce) flush();
}

void BpeBuilder::flush() {
  std::array<std::string, kMergesAtOnce> joined;
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    joined[i].assign(pending_[i].left).append(pending_[i].right);
    vocabulary_.prefetch(pending_[i].left);
    vocabulary_.prefetch(pending_[i].right);
    vocabulary_.prefetch(joined[i]);
  }
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    PendingMerge& merge = pending_[i];
    merge.left_id = require(merge.left, merge);
    merge.right_id = require(merge.right, merge);
    merge.joined_id = require(joined[i], merge);
    merges_.prefetch(merge.left_id, merge.right_id);
  }
  for (const PendingMerge& merge : pending_) {
    merges_.set(merge.left_id, merge.right_id, next_rank_++, merge.joined_id);
  }
  pending_.clear();
}

void BpeBuilder::add_merge_line(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
    throw FileError(file_, "merge " + std::to_string(next_rank_ + pending_.size()) + " is \"" +
                               std::string(line) +
                               "\", must be two tokens with one space between them");
  }
  add_merge(line.substr(0, space), line.substr(space + 1));
}

std::unique_ptr<BpeModel> BpeBuilder::build(BpeOptions options) {
  if (vocabulary_.size() == 0) throw FileError(file_, "the vocabulary is empty");
  flush();
  next_rank_ = 0;
  return std::make_unique<BpeModel>(std::exchange(vocabulary_, {}), std::exchange(merges_, {}),
                                    std::move(options));
}

}  // namespace svtune
