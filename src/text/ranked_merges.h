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

// Every split of every token into two tokens, all of them found in `known`. With `characters`
// only splits between characters count.
MergeTable make_ranked_merges(const std::vector<RankedToken>& tokens, const Vocabulary& known,
                              bool characters);

}  // namespace svtune
