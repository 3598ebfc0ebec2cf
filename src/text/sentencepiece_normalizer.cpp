#include "text/sentencepiece_normalizer.h"

#include <utf8proc.h>

#include <string>
#include <utility>

#include "base/text_util.h"
#include "text/utf8.h"

namespace svtune {
namespace {

constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // U+2581

class SentencePieceNormalizer final : public Normalizer {
 public:
  explicit SentencePieceNormalizer(SentencePieceNormalizing options)
      : options_(std::move(options)) {}

  void apply(std::string& text) const override {
    if (!options_.map && !options_.remove_extra_spaces) {
      if (options_.escape_spaces) text = replace_all(text, " ", kSpaceSymbol);
      return;
    }
    std::string out;
    out.reserve(text.size() + text.size() / 2);
    bool after_space = options_.remove_extra_spaces;
    for (std::size_t at = 0; at < text.size();) {
      std::string_view part = part_at(text, at);
      while (after_space && part.starts_with(' ')) part.remove_prefix(1);
      append(part, out);
      if (!part.empty()) after_space = options_.remove_extra_spaces && part.ends_with(' ');
    }
    check_growth(text.size(), out.size());
    const std::string_view space = options_.escape_spaces ? kSpaceSymbol : " ";
    while (options_.remove_extra_spaces && out.ends_with(space)) {
      out.erase(out.size() - space.size());
    }
    text = std::move(out);
  }

 private:
  // The normal form of what stands at `at`, which moves behind it.
  std::string_view part_at(std::string_view text, std::size_t& at) const {
    if (options_.map) {
      if (const auto rule = options_.map->longest_at(text, at)) {
        at += rule->length;
        return rule->replacement;
      }
    }
    const std::size_t length = utf8_length(text[at]);
    at += length;
    return text.substr(at - length, length);
  }

  void append(std::string_view part, std::string& out) const {
    if (!options_.escape_spaces) {
      out += part;
      return;
    }
    for (const char c : part) {
      if (c == ' ') {
        out += kSpaceSymbol;
      } else {
        out += c;
      }
    }
  }

  SentencePieceNormalizing options_;
};

// End of the grapheme cluster that starts at `at` (Unicode Standard Annex 29).
std::size_t cluster_end(std::string_view text, std::size_t at) {
  utf8proc_int32_t state = 0;
  auto last = static_cast<utf8proc_int32_t>(utf8_at(text, at));
  for (at += utf8_length(text[at]); at < text.size(); at += utf8_length(text[at])) {
    const auto next = static_cast<utf8proc_int32_t>(utf8_at(text, at));
    const bool plain = last < 0x80 && next < 0x80 && last != '\r';
    if (plain || utf8proc_grapheme_break_stateful(last, next, &state)) break;
    last = next;
  }
  return at;
}

class PrecompiledNormalizer final : public Normalizer {
 public:
  explicit PrecompiledNormalizer(CharacterMap map) : map_(std::move(map)) {}

  void apply(std::string& text) const override {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = cluster_end(text, at);
      append_cluster(std::string_view(text).substr(at, end - at), out);
      at = end;
    }
    check_growth(text.size(), out.size());
    text = std::move(out);
  }

 private:
  void append_cluster(std::string_view cluster, std::string& out) const {
    constexpr std::size_t kMaxWhole = 5;  // bytes
    if (cluster.size() <= kMaxWhole) {
      if (const auto rule = map_.shortest_at(cluster, 0)) {
        out += rule->replacement;
        return;
      }
    }
    for (std::size_t at = 0; at < cluster.size();) {
      const std::string_view character = cluster.substr(at, utf8_length(cluster[at]));
      const auto rule = map_.shortest_at(character, 0);
      out += rule ? rule->replacement : character;
      at += character.size();
    }
  }

  CharacterMap map_;
};

}  // namespace

std::unique_ptr<Normalizer> make_sentencepiece_normalizer(SentencePieceNormalizing options) {
  return std::make_unique<SentencePieceNormalizer>(std::move(options));
}

std::unique_ptr<Normalizer> make_precompiled_normalizer(CharacterMap map) {
  return std::make_unique<PrecompiledNormalizer>(std::move(map));
}

}  // namespace svtune
