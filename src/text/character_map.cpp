#include "text/character_map.h"

#include <cstring>

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {
namespace {

// A unit of the array: the byte that leads to it, whether a string ends at it, and the distance
// to its children. A unit behind the end of a string holds the string's value instead.
bool has_value(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t value_of(std::uint32_t unit) { return unit & 0x7FFFFFFF; }
std::uint32_t label_of(std::uint32_t unit) { return unit & 0x800000FF; }
std::uint32_t offset_of(std::uint32_t unit) { return unit >> 10 << ((unit & 1 << 9) >> 6); }

bool inside_character(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<std::uint8_t>(text[at]) & 0xC0) == 0x80;
}

}  // namespace

CharacterMap::CharacterMap(std::string_view bytes, const std::string& file) {
  const auto fail = [&](const std::string& what) {
    throw FileError(file, "the character map " + what);
  };
  std::uint32_t trie_bytes = 0;
  if (bytes.size() < sizeof(trie_bytes))
    fail("has only " + std::to_string(bytes.size()) + " bytes");
  std::memcpy(&trie_bytes, bytes.data(), sizeof(trie_bytes));
  bytes.remove_prefix(sizeof(trie_bytes));
  if (trie_bytes > bytes.size() || trie_bytes % 4 != 0 || trie_bytes == 0) {
    fail("states a trie of " + std::to_string(trie_bytes) + " bytes, but " +
         std::to_string(bytes.size()) + " follow");
  }
  units_.resize(trie_bytes / 4);
  std::memcpy(units_.data(), bytes.data(), trie_bytes);
  replacements_ = bytes.substr(trie_bytes);
  if (replacements_.empty() || replacements_.back() != '\0') fail("does not end with a zero byte");
  if (!is_valid_utf8(replacements_)) fail("replaces by text that is not UTF-8");
}

CharacterMap::Hit CharacterMap::find(std::string_view text, std::size_t at, bool longest) const {
  Hit hit;
  std::size_t node = offset_of(units_[0]);
  for (std::size_t i = at; i < text.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    node ^= byte;
    if (node >= units_.size() || label_of(units_[node]) != byte) break;
    const std::uint32_t unit = units_[node];
    node ^= offset_of(unit);
    if (!has_value(unit) || node >= units_.size()) continue;
    hit = {i + 1 - at, value_of(units_[node])};
    if (!longest) break;
  }
  return hit;
}

std::optional<CharacterMap::Rule> CharacterMap::rule(std::string_view text, std::size_t at,
                                                     const Hit& hit) const {
  if (hit.length == 0) return std::nullopt;
  if (hit.value >= replacements_.size() || inside_character(replacements_, hit.value) ||
      inside_character(text, at + hit.length)) {
    throw Error("the tokenizer's character map is damaged: a rule cuts a character or has no text");
  }
  return Rule{hit.length, std::string_view(replacements_.data() + hit.value)};
}

std::optional<CharacterMap::Rule> CharacterMap::longest_at(std::string_view text,
                                                           std::size_t at) const {
  return rule(text, at, find(text, at, true));
}

std::optional<CharacterMap::Rule> CharacterMap::shortest_at(std::string_view text,
                                                            std::size_t at) const {
  return rule(text, at, find(text, at, false));
}

}  // namespace svtune
