#include "text/json_normalizer.h"

#include <string>
#include <utility>
#include <vector>

#include "text/base64.h"
#include "text/bert_normalizer.h"
#include "text/sentencepiece_normalizer.h"

namespace svtune {
namespace {

std::unique_ptr<Normalizer> make_bert(const JsonPart& part) {
  BertNormalizing options;
  options.clean_text = part.flag("clean_text", true);
  options.separate_chinese = part.flag("handle_chinese_chars", true);
  options.lower_case = part.flag("lowercase", true);
  options.strip_accents = part.flag("strip_accents", options.lower_case);
  return make_bert_normalizer(options);
}

std::unique_ptr<Normalizer> make_precompiled(const JsonPart& part) {
  const auto bytes = decode_base64(part.text("precompiled_charsmap"));
  if (!bytes) part.fail("precompiled_charsmap", "is not base64");
  return make_precompiled_normalizer(
      CharacterMap(*bytes, part.file() + ": " + part.where() + ".precompiled_charsmap"));
}

}  // namespace

std::unique_ptr<Normalizer> make_normalizer(const JsonPart& part) {
  const std::string type = part.type();
  if (type == "Sequence") {
    std::vector<std::unique_ptr<Normalizer>> steps;
    for (const JsonPart& step : part.children("normalizers")) {
      steps.push_back(make_normalizer(step));
    }
    return make_normalizer_sequence(std::move(steps));
  }
  if (type == "NFC") return make_unicode_normalizer(UnicodeForm::kNfc);
  if (type == "NFD") return make_unicode_normalizer(UnicodeForm::kNfd);
  if (type == "NFKC") return make_unicode_normalizer(UnicodeForm::kNfkc);
  if (type == "NFKD") return make_unicode_normalizer(UnicodeForm::kNfkd);
  if (type == "Lowercase") return make_lowercase_normalizer();
  if (type == "Prepend") return make_prepend_normalizer(short_text(part, "prepend"));
  if (type == "Replace") return make_replace_normalizer(Replacement(part));
  if (type == "Strip") {
    return make_strip_normalizer(part.flag("strip_left", true), part.flag("strip_right", true));
  }
  if (type == "ByteLevel") return make_byte_level_normalizer();
  if (type == "BertNormalizer") return make_bert(part);
  if (type == "Precompiled") return make_precompiled(part);
  part.fail_type(
      "BertNormalizer, ByteLevel, Lowercase, NFC, NFD, NFKC, NFKD, Precompiled, Prepend, Replace, "
      "Sequence, Strip");
}

}  // namespace svtune
