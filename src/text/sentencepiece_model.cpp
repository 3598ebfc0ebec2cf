#include "text/sentencepiece_model.h"

#include <cmath>
#include <utility>

#include "base/errors.h"
#include "base/text_util.h"
#include "text/protobuf_reader.h"
#include "text/ranked_merges.h"
#include "text/vocabulary.h"

namespace svtune {
namespace {

[[noreturn]] void fail_piece(const std::string& file, std::size_t index, const std::string& what) {
  throw FileError(file, "piece " + std::to_string(index) + " " + what);
}

SentencePiece read_piece(ProtobufReader message, std::size_t index, const std::string& file) {
  SentencePiece piece;
  while (message.next()) {
    switch (message.field()) {
      case 1:
        piece.text = message.bytes();
        break;
      case 2:
        piece.score = message.float32();
        break;
      case 3: {
        const std::uint64_t type = message.varint();
        if (type < 1 || type > 6) {
          fail_piece(file, index, "has type " + std::to_string(type) + ", must be from 1 to 6");
        }
        piece.type = static_cast<PieceType>(type);
        break;
      }
      default:
        message.skip();
    }
  }
  if (piece.text.empty()) fail_piece(file, index, "is empty");
  if (piece.text.size() > kMaxRankedTokenBytes) {
    fail_piece(file, index,
               "has " + std::to_string(piece.text.size()) + " bytes, the limit is " +
                   std::to_string(kMaxRankedTokenBytes));
  }
  if (!is_valid_utf8(piece.text)) fail_piece(file, index, "is not valid UTF-8");
  if (std::isnan(piece.score)) fail_piece(file, index, "has the score NaN");
  return piece;
}

void read_trainer(ProtobufReader message, SentencePieceModel& model) {
  while (message.next()) {
    switch (message.field()) {
      case 3:
        model.model_type = message.int32();
        break;
      case 24:
        model.whitespace_as_suffix = message.boolean();
        break;
      case 35:
        model.byte_fallback = message.boolean();
        break;
      case 40:
        model.unk_id = message.int32();
        break;
      case 41:
        model.bos_id = message.int32();
        break;
      case 42:
        model.eos_id = message.int32();
        break;
      case 43:
        model.pad_id = message.int32();
        break;
      default:
        message.skip();
    }
  }
}

void read_normalizer(ProtobufReader message, SentencePieceModel& model) {
  while (message.next()) {
    switch (message.field()) {
      case 1:
        model.normalizer_name = message.bytes();
        break;
      case 2:
        model.charsmap = message.bytes();
        break;
      case 3:
        model.add_dummy_prefix = message.boolean();
        break;
      case 4:
        model.remove_extra_whitespaces = message.boolean();
        break;
      case 5:
        model.escape_whitespaces = message.boolean();
        break;
      default:
        message.skip();
    }
  }
}

}  // namespace

SentencePieceModel read_sentencepiece_model(std::string_view bytes, const std::string& file) {
  SentencePieceModel model;
  ProtobufReader message(bytes, 0, file);
  while (message.next()) {
    switch (message.field()) {
      case 1:
        if (model.pieces.size() > static_cast<std::size_t>(kMaxTokenId)) {
          throw FileError(file, "has more than " + std::to_string(kMaxTokenId) + " pieces");
        }
        model.pieces.push_back(read_piece(message.message(), model.pieces.size(), file));
        break;
      case 2:
        read_trainer(message.message(), model);
        break;
      case 3:
        read_normalizer(message.message(), model);
        break;
      default:
        message.skip();
    }
  }
  if (model.pieces.empty()) throw FileError(file, "holds no SentencePiece pieces");
  return model;
}

}  // namespace svtune
