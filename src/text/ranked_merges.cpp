#include "text/ranked_merges.h"

namespace svtune {
namespace {

constexpr std::size_t kTokensAhead = 4;
constexpr std::size_t kPendingMerges = 64;

// Calls `found(left, right)` for every cut of the text.
template <typename Found>
void for_each_split(std::string_view text, bool characters, Found found) {
  for (std::size_t at = 1; at < text.size(); ++at) {
    const bool inside = (static_cast<std::uint8_t>(text[at]) & 0xC0) == 0x80;
    if (!characters || !inside) found(text.substr(0, at), text.substr(at));
  }
}

struct PendingMerge {
  std::int32_t left;
  std::int32_t right;
  std::uint32_t rank;
  std::int32_t id;
};

void flush(MergeTable& merges, std::vector<PendingMerge>& pending) {
  for (const PendingMerge& merge : pending) {
    merges.set(merge.left, merge.right, merge.rank, merge.id);
  }
  pending.clear();
}

}  // namespace

MergeTable make_ranked_merges(const std::vector<RankedToken>& tokens, const Vocabulary& known,
                              RankedMergeOptions options) {
  MergeTable merges;
  merges.reserve(tokens.size() * 4);
  std::vector<PendingMerge> pending;
  std::uint32_t next_rank = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i + kTokensAhead < tokens.size()) {
      const auto prefetch = [&](std::string_view left, std::string_view right) {
        known.prefetch(left);
        known.prefetch(right);
      };
      for_each_split(tokens[i + kTokensAhead].text, options.characters, prefetch);
    }
    for_each_split(
        tokens[i].text, options.characters, [&](std::string_view left, std::string_view right) {
          const std::int32_t left_id = known.find(left);
          const std::int32_t right_id = left_id < 0 ? -1 : known.find(right);
          if (right_id < 0) return;
          merges.prefetch(left_id, right_id);
          const bool numbered = options.split_rank == SplitRank::kConsecutive;
          pending.push_back(
              {left_id, right_id, numbered ? next_rank++ : tokens[i].rank, tokens[i].id});
        });
    if (pending.size() >= kPendingMerges) flush(merges, pending);
  }
  flush(merges, pending);
  return merges;
}

}  // namespace svtune
