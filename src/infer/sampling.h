// Choosing the next token from logits.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "base/fields.h"
#include "base/random.h"

namespace svtune {

struct SamplingOptions {
  double temperature = 0.0;
  std::int64_t top_k = 0;
  double top_p = 1.0;
  std::uint64_t seed = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.temperature, {.name = "temperature",
                             .help = "Sampling temperature; 0 always takes the likeliest token",
                             .min = 0,
                             .max = 100});
    visit(self.top_k, {.name = "top_k",
                       .help = "Sample among the K likeliest tokens; 0 = all",
                       .min = 0,
                       .max = 1e7,
                       .when = only_with("temperature")});
    visit(self.top_p, {.name = "top_p",
                       .help = "Sample among the likeliest tokens that hold this probability",
                       .max = 1,
                       .above = 0,
                       .when = only_with("temperature")});
    visit(self.seed,
          {.name = "seed", .help = "Seed of all random choices", .when = only_with("temperature")});
  }
};

// logits [V] -> token id. Temperature 0 takes the smallest id among the largest logits. Otherwise
// p = softmax(logits / temperature); top_k keeps the K largest (ties by id), top_p of these the
// shortest prefix, by falling probability, that holds that share. Throws RunError for logits that
// hold NaN or infinity.
std::int32_t sample_token(const at::Tensor& logits, const SamplingOptions& options,
                          Xoshiro256& random);

}  // namespace svtune
