// Tokens hidden from a masked language model, which learns to find them: of a document each token
// that may be hidden is chosen with one probability, and of the chosen ones 80 % become the mask,
// 10 % a token of the whole vocabulary and 10 % stay. Source: Devlin et al., "BERT" (2019), section
// 3.1; chosen anew in each pass as in Liu et al., "RoBERTa" (2019), section 4.1.
#pragma once

#include <cstdint>

#include "base/fields.h"
#include "data/document_store.h"
#include "data/example.h"
#include "text/tokenizer.h"

namespace svtune {

struct MaskOptions {
  double probability = 0.15;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.probability, {.name = "mask_probability",
                             .help = "Share of the tokens of a text that are hidden and learned, "
                                     "special ones aside",
                             .max = 1,
                             .above = 0});
  }
};

// Which documents a run of `run_seed` hides tokens of: those held out have masks of their own, the
// same in training and in an evaluation afterwards.
enum class MaskedPart { kTrain, kHeldOut };
std::uint64_t mask_seed(std::uint64_t run_seed, MaskedPart part);

class TokenMasks {
 public:
  // Throws UsageError for a tokenizer without a mask token.
  TokenMasks(const Tokenizer& tokenizer, MaskOptions options, std::uint64_t seed);

  // Appends the document with hidden tokens, each of them supervised at its place. What is hidden
  // depends on the seed, `document`, `pass` and the tokens alone. Supervised tokens of the example
  // may be hidden; where chance hides none of them one is, so that every document teaches
  // something.
  void append(PackedBatch& batch, const TokenizedExample& example, std::int64_t document,
              std::int64_t pass) const;

 private:
  double probability_;
  std::uint64_t seed_;
  std::int64_t mask_, vocabulary_;  // id, number of ids
};

}  // namespace svtune
