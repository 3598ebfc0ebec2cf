// Merges of formats that store only tokens with ranks (SentencePiece, tiktoken): two neighbours
// join when their concatenation is a token, the token of lowest rank first, leftmost first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/bpe_merges.h"
#include "text/vocabulary.h"

namespace svtune {

// Longer tokens are refused by the loaders: the splits of a token cost its length squared.
inline constexpr std::size_t kMaxRankedTokenBytes = 1024;

struct RankedToken {
  std::string_view text;
  std::uint32_t rank;
  std::int32_t id;
};

enum class SplitRank {
  kOfToken,     // all splits of a token share its rank
  kConsecutive  // splits are numbered through in the order of the tokens, shortest left part first
};

struct RankedMergeOptions {
  bool characters = false;  // only splits between characters count
  SplitRank split_rank = SplitRank::kOfToken;
};

// Every split of every token into two tokens, all of them found in `known`.
MergeTable make_ranked_merges(const std::vector<RankedToken>& tokens, const Vocabulary& known,
                              RankedMergeOptions options);

}  // namespace svtune
