#include "text/ranked_merges.h"

namespace svtune {

MergeTable make_ranked_merges(const std::vector<RankedToken>& tokens, const Vocabulary& known,
                              bool characters) {
  MergeTable merges;
  merges.reserve(tokens.size() * 2);
  for (const RankedToken& token : tokens) {
    for (std::size_t at = 1; at < token.text.size(); ++at) {
      const bool inside = (static_cast<std::uint8_t>(token.text[at]) & 0xC0) == 0x80;
      if (characters && inside) continue;
      const std::int32_t left = known.find(token.text.substr(0, at));
      if (left < 0) continue;
      const std::int32_t right = known.find(token.text.substr(at));
      if (right >= 0) merges.set(left, right, token.rank, token.id);
    }
  }
  return merges;
}

}  // namespace svtune
