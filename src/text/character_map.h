// The character map of a SentencePiece model ("precompiled_charsmap"): strings and what normalising
// replaces them by, in a double array trie (Aoe 1989, in the layout of the darts-clone library)
// that is followed by the replacements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace svtune {

class CharacterMap {
 public:
  // Throws FileError naming `file` when the bytes are no such map.
  CharacterMap(std::string_view bytes, const std::string& file);

  struct Rule {
    std::size_t length;            // bytes that it replaces
    std::string_view replacement;  // lives as long as the map
  };
  // The rule for the longest, or the shortest, string that `text` starts with at `at`. Throws
  // Error when the map is damaged there.
  std::optional<Rule> longest_at(std::string_view text, std::size_t at) const;
  std::optional<Rule> shortest_at(std::string_view text, std::size_t at) const;

 private:
  // A string that was found, and where its replacement begins.
  struct Hit {
    std::size_t length = 0;
    std::uint32_t value = 0;
  };
  Hit find(std::string_view text, std::size_t at, bool longest) const;
  std::optional<Rule> rule(std::string_view text, std::size_t at, const Hit& hit) const;

  std::vector<std::uint32_t> units_;
  std::string replacements_;  // each ends with a zero byte
};

}  // namespace svtune
