// The task `mask`: how well a masked language model finds hidden words of texts.
#pragma once

#include <cstdint>
#include <string_view>

#include "adapter_files/loaded_model.h"
#include "base/fields.h"
#include "data/encode.h"
#include "data/token_masks.h"
#include "eval/task.h"
#include "text/tokenizer.h"

namespace svtune {

struct MaskedWords {
  static constexpr std::string_view kName = "mask";
  static constexpr std::string_view kSummary =
      "hidden words of texts: loss, perplexity, share of those that are found";
  std::int64_t max_length = 512;
  MaskOptions masks;
  std::uint64_t seed = 42;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit_max_length(self.max_length, visit);
    MaskOptions::fields(self.masks, visit);
    visit(self.seed, {.name = "seed",
                      .help = "Of what is hidden; a training run's evaluation hides by its own",
                      .min = 0});
  }
};

// Throws UsageError unless each model finds hidden words, ModelError where the tokenizer has more
// words than one of them.
void check_model(const MaskedWords& task, const LoadedModel& loaded, const Tokenizer* tokenizer);
EncodeOptions encoding_of(const MaskedWords& task);
// Figures: loss (nats per hidden token), perplexity, accuracy (of 1), tokens (hidden). Throws
// FileError when the data hold no token to hide, RunError when the loss is not finite. Requires: a
// network that finds hidden words.
Score run_task(const MaskedWords& task, const EvalInput& input);

}  // namespace svtune
