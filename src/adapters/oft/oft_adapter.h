// The adapter of OFT: y = (x (1 + blockdiag(D))) Wᵀ, D from the trained skew-symmetric matrices.
#pragma once

#include <cstdint>
#include <optional>

#include "nn/adapter.h"

namespace svtune {

struct OftShape {
  std::int64_t block = 0;   // b
  std::int64_t blocks = 0;  // in / b
};

struct OftRule {
  bool exact = false;                  // Cayley's map instead of its series
  std::int64_t terms = 5;              // of the series
  bool shared = false;                 // one block for all
  std::optional<double> largest = {};  // of the norm of all Q
};

class OftAdapter final : public Adapter {
 public:
  OftAdapter(const OftRule& rule, const OftShape& shape, const BaseWeight& base);

  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override;
  at::Tensor merged_weight(const BaseWeight& base) const override;
  std::vector<Trainable> trainables() override;
  AdapterMemory memory(std::int64_t tokens) const override;
  // Of constrained OFT: brings matrices that have grown too large back.
  void refresh(const BaseWeight& base) override;
  void begin_micro_batch(bool training, std::uint64_t seed) override;

  // R − 1 of each block, [in / b, b, b], or [1, b, b] of shared ones. Differentiable.
  at::Tensor change() const;

 private:
  OftRule rule_;
  OftShape shape_;
  std::int64_t in_;
  at::Tensor upper_;        // leaf [blocks or 1, b(b-1)/2]
  std::uint64_t seed_ = 0;  // of the rounding of turned inputs
};

}  // namespace svtune
