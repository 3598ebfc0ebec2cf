#include "text/tokenizer_parts.h"

#include <utility>

#include "base/text_util.h"

namespace svtune {

void TokenizerParts::encode(std::string_view text, std::vector<std::int32_t>& out) const {
  const auto encode_word = [&](Piece piece) { model->encode(piece.text, out); };
  const auto encode_normal = [&](std::string_view normal, bool at_text_start) {
    added.split_normalized(normal, [&](TextSection section) {
      if (section.id >= 0) {
        out.push_back(section.id);
      } else {
        pre_tokenizer.split({section.text, at_text_start && section.begin == 0}, encode_word);
      }
    });
  };
  added.split_raw(text, [&](TextSection section) {
    if (section.id >= 0) {
      out.push_back(section.id);
    } else if (normalizer == nullptr) {
      encode_normal(section.text, section.begin == 0);
    } else {
      std::string normal(section.text);
      normalizer->apply(normal);
      encode_normal(normal, section.begin == 0);
    }
  });
}

std::string_view TokenizerParts::token(std::int32_t id) const {
  const AddedToken* entry = added.find(id);
  return entry != nullptr ? std::string_view(entry->content) : model->vocabulary().token(id);
}

std::int32_t TokenizerParts::find(std::string_view token) const {
  const auto id = added.find(token);
  return id ? *id : model->vocabulary().find(token);
}

std::string TokenizerParts::decode(std::span<const std::int32_t> ids,
                                   bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const std::int32_t id : ids) {
    const AddedToken* entry = added.find(id);
    if (entry == nullptr && !model->vocabulary().contains(id)) continue;
    if (skip_special_tokens && entry != nullptr && entry->special) continue;
    tokens.emplace_back(entry != nullptr ? std::string_view(added.shown(id))
                                         : model->vocabulary().token(id));
  }
  if (decoder == nullptr) return join(tokens, " ");
  decoder->apply(tokens);
  return join(tokens, "");
}

}  // namespace svtune
