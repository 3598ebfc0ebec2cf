// Normalisation by a character map, in SentencePiece's own way and in that of `tokenizers`.
#pragma once

#include <memory>
#include <optional>

#include "text/character_map.h"
#include "text/normalizer.h"

namespace svtune {

struct SentencePieceNormalizing {
  std::optional<CharacterMap> map;
  bool remove_extra_spaces = false;  // at both ends, and all but one of a run
  bool escape_spaces = false;        // to U+2581
};

// What SentencePiece does to a text before it searches pieces, without the space in front: the
// longest rule of the map at every place.
std::unique_ptr<Normalizer> make_sentencepiece_normalizer(SentencePieceNormalizing options);

// "Precompiled" of tokenizer.json: a rule for each short grapheme cluster as a whole, else for each
// of its characters; of several rules the shortest counts.
std::unique_ptr<Normalizer> make_precompiled_normalizer(CharacterMap map);

}  // namespace svtune
