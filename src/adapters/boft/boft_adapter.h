// The adapter of BOFT. Factor i is B_i = P_i blockdiag(1 + D) P_iᵀ: a gather, a product of blocks
// and a gather back; no matrix [in, in] exists.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/adapter.h"

namespace svtune {

struct BoftShape {
  std::int64_t block = 0;    // b
  std::int64_t blocks = 0;   // in / b
  std::int64_t factors = 0;  // m
};

// Where the coordinates of factor i come from: π [in] with (x P_iᵀ)_t = x_π(t). Runs of b·2^i
// coordinates are cut into chunks of b/2, and the even ones stand before the odd.
std::vector<std::int64_t> butterfly_order(const BoftShape& shape, std::int64_t factor);

class BoftAdapter final : public Adapter {
 public:
  BoftAdapter(const BoftShape& shape, double dropout, const BaseWeight& base);

  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override;
  at::Tensor merged_weight(const BaseWeight& base) const override;
  std::vector<Trainable> trainables() override;
  AdapterMemory memory(std::int64_t tokens) const override;
  void begin_micro_batch(bool training, std::uint64_t seed) override;

 private:
  // R − 1 of each block, [m, in / b, b, b]. Differentiable.
  at::Tensor changes() const;
  // x (R − 1), R the product of all factors; `transposed`: x (Rᵀ − 1). x [T, in].
  at::Tensor turned(const at::Tensor& x, const at::Tensor& changes, bool transposed) const;

  BoftShape shape_;
  double dropout_;
  at::Tensor matrices_;                   // leaf [m, in / b, b, b]; their skew part counts
  at::Tensor scale_;                      // leaf [out, 1]
  std::vector<at::Tensor> order_, back_;  // π of each factor and its inverse; undefined: identity
  at::Tensor turns_;                      // [m, in / b, 1, 1]: 0 where dropout stops a block
  std::uint64_t seed_ = 0;                // of the rounding of turned inputs and scaled outputs
};

}  // namespace svtune
