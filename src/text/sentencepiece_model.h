// The content of a SentencePiece tokenizer.model (message ModelProto of sentencepiece's
// sentencepiece_model.proto), as far as encoding needs it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace svtune {

enum class PieceType { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

struct SentencePiece {
  std::string text;
  float score = 0;
  PieceType type = PieceType::kNormal;
};

struct SentencePieceModel {
  std::vector<SentencePiece> pieces;  // the index is the id

  // trainer_spec
  int model_type = 1;  // 1 unigram, 2 byte pair, 3 word, 4 character
  bool byte_fallback = false;
  bool whitespace_as_suffix = false;
  std::int32_t unk_id = 0;
  std::int32_t bos_id = 1;
  std::int32_t eos_id = 2;
  std::int32_t pad_id = -1;

  // normalizer_spec
  std::string normalizer_name;
  std::string charsmap;  // of CharacterMap; "": none
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

// Throws FileError naming the byte or the piece when the message is malformed, a piece is not
// UTF-8, too long or of an unknown type, or there are too many.
SentencePieceModel read_sentencepiece_model(std::string_view bytes, const std::string& file);

}  // namespace svtune
