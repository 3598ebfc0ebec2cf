// Rounding changed weights to the type of a file, so that what was learnt is still in them.
//
// Weights of a 16-bit checkpoint lie on the type's grid: rounded to nearest, an update below half
// a step vanishes. Rounded stochastically it survives in the mean of many weights, and so in the
// layer's output. The measure is the share kept, <written, wanted> / |wanted|²: rounding errors
// are incoherent and cancel in it, as they do in the output, while in a norm they do not.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "base/fields.h"
#include "nn/ops/stochastic_round.h"

namespace svtune {

struct RoundingOptions {
  Rounding mode = Rounding::kAuto;
  std::uint64_t seed = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.mode, {.name = "rounding", .help = "How changed weights become 16-bit values"});
    visit(self.seed, {.name = "seed", .help = "Seed of stochastic rounding", .min = 0});
  }
};

// Sums over the entries of one update or of several.
struct KeptUpdate {
  double product = 0;  // <written, wanted>
  double wanted = 0;   // |wanted|²
  double error = 0;    // |written - wanted|²

  double share() const { return wanted > 0 ? product / wanted : 1; }
  double relative_error() const;
  void add(const KeptUpdate& other);
};

struct RoundedWeight {
  at::Tensor values;  // in the file's dtype, contiguous
  bool stochastic = false;
  KeptUpdate kept;
};

// `after` in `dtype`; `before` is the weight that was changed, both in fp32 (or fp64). `name` is
// the tensor's, and with the seed all that stochastic rounding depends on.
RoundedWeight round_weight(const std::string& name, const at::Tensor& before,
                           const at::Tensor& after, at::ScalarType dtype,
                           const RoundingOptions& options);

}  // namespace svtune
