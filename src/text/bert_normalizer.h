// BERT's normalisation, as "BertNormalizer" of `tokenizers` does it.
#pragma once

#include <memory>

#include "text/normalizer.h"

namespace svtune {

struct BertNormalizing {
  bool clean_text = true;        // no control characters, every white space is a space
  bool separate_chinese = true;  // a space on both sides of a CJK ideograph
  bool strip_accents = true;     // canonical decomposition without its marks
  bool lower_case = true;
};

std::unique_ptr<Normalizer> make_bert_normalizer(const BertNormalizing& options);

}  // namespace svtune
