#include "data/token_masks.h"

#include <cstddef>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/hash.h"
#include "base/random.h"

namespace svtune {
namespace {

// Of the chosen tokens; the rest stays.
constexpr double kMaskShare = 0.8, kRandomShare = 0.1;

// Places in the example, ascending.
std::vector<std::size_t> chosen_places(const TokenizedExample& example, double probability,
                                       Xoshiro256& random) {
  std::vector<std::size_t> candidates, chosen;
  for (std::size_t i = 0; i < example.ids.size(); ++i) {
    if (!example.supervised[i]) continue;
    candidates.push_back(i);
    if (random.uniform() < probability) chosen.push_back(i);
  }
  if (chosen.empty() && !candidates.empty()) {
    const std::uint64_t count = candidates.size();
    chosen.push_back(candidates[static_cast<std::size_t>(random.bounded(count))]);
  }
  return chosen;
}

}  // namespace

std::uint64_t mask_seed(std::uint64_t run_seed, MaskedPart part) {
  return derive_seed(run_seed, "masks", part == MaskedPart::kTrain ? "train" : "held out");
}

TokenMasks::TokenMasks(const Tokenizer& tokenizer, MaskOptions options, std::uint64_t seed)
    : probability_(options.probability),
      seed_(seed),
      mask_(tokenizer.mask_id().value_or(-1)),
      vocabulary_(tokenizer.vocab_size()) {
  if (mask_ >= 0) return;
  throw UsageError("the tokenizer has no mask token, which hidden words need",
                   "Give an encoder with a mask_token, such as BERT or RoBERTa.");
}

void TokenMasks::append(PackedBatch& batch, const TokenizedExample& example, std::int64_t document,
                        std::int64_t pass) const {
  Xoshiro256 random(
      derive_seed(seed_, "masks", std::to_string(pass) + "/" + std::to_string(document)));
  const std::size_t begin = batch.tokens.size();
  for (std::size_t i = 0; i < example.ids.size(); ++i) {
    batch.tokens.push_back(example.ids[i]);
    batch.positions.push_back(static_cast<std::int64_t>(i));
  }
  for (const std::size_t place : chosen_places(example, probability_, random)) {
    batch.supervised.push_back(static_cast<std::int64_t>(begin + place));
    batch.targets.push_back(example.ids[place]);
    const double share = random.uniform();
    if (share < kMaskShare) {
      batch.tokens[begin + place] = mask_;
    } else if (share < kMaskShare + kRandomShare) {
      batch.tokens[begin + place] =
          static_cast<std::int64_t>(random.bounded(static_cast<std::uint64_t>(vocabulary_)));
    }
  }
  batch.offsets.push_back(static_cast<std::int32_t>(batch.tokens.size()));
  batch.masked = true;
}

}  // namespace svtune
