// Hand-written matchers for the split patterns that nearly all byte-level tokenizers use. They
// give the same pieces as the regular expressions, several times faster.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace svtune {

enum class SplitPattern {
  kGpt2,         // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  kThreeDigits,  // Llama-3: any case, one leading non-letter, \p{N}{1,3}, line breaks joined
  kOneDigit,     // Qwen2: the same with \p{N}
};

// The regular expressions themselves, as tokenizer.json spells them.
std::string_view split_pattern_regex(SplitPattern pattern);

// The pattern with exactly this expression, if there is one.
std::optional<SplitPattern> known_split_pattern(std::string_view regex);

// End of the piece that starts at `begin`; the pieces cover the text without gaps. Requires:
// valid UTF-8, begin < text.size().
std::size_t split_piece_end(SplitPattern pattern, std::string_view text, std::size_t begin);

}  // namespace svtune
