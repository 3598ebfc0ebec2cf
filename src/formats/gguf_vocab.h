// The vocabulary that a GGUF file carries under tokenizer.ggml.*, checked and complete.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/gguf.h"

namespace svtune {

enum class GgufTokenType : std::uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

struct GgufVocab {
  std::string model;                // "gpt2" (byte-level BPE) or "llama" (SentencePiece BPE)
  std::string pre;                  // pre-tokenizer of byte-level models; may be empty
  std::string architecture;         // general.architecture
  std::vector<std::string> tokens;  // by id
  std::vector<GgufTokenType> types;
  std::vector<float> scores;                                // of SentencePiece models, else empty
  std::vector<std::pair<std::string, std::string>> merges;  // by rank
  std::optional<std::int64_t> bos, eos, unknown, padding;   // valid ids
  bool add_bos = false;
  bool add_eos = false;
  bool add_space_prefix = true;

  // SentencePiece models of the Gemma family use other rules for spaces.
  bool is_gemma() const { return model == "llama" && architecture.starts_with("gemma"); }
};

// Throws FileError naming the key when there is no vocabulary, its model or pre-tokenizer is
// not supported, arrays have different lengths, a merge is malformed, or an id is too large.
GgufVocab read_gguf_vocab(const GgufFile& file);

namespace detail {
// The merges that a scored vocabulary implies: every split of a piece into two known pieces,
// best score first, then longer left parts, then longer right parts. Gemma ranks pieces by
// their position instead of their score.
std::vector<std::pair<std::string, std::string>> merges_from_scores(const GgufVocab& vocab);
}  // namespace detail

}  // namespace svtune
