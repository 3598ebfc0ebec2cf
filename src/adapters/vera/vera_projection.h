// The two random matrices that all layers of a VeRA share.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/method_state.h"

namespace svtune {

class VeraProjection final : public MethodState {
 public:
  // A [rank, in] and B [out, rank] for the largest sizes of any layer: uniform in ±√(6 / columns),
  // A first, from torch's CPU generator with seed `key` as in PEFT. Products are in `compute`.
  VeraProjection(std::int64_t rank, std::int64_t out, std::int64_t in, std::int64_t key,
                 at::TensorOptions compute);

  std::vector<NamedTensor> shared() const override;  // vera_A, vera_B, fp32
  void refresh() override;
  std::int64_t held_bytes() const override;

  // Views for a layer of these sizes in the compute dtype: [rank, in], [out, rank].
  at::Tensor A_for(std::int64_t in) const { return A_copy_.narrow(1, 0, in); }
  at::Tensor B_for(std::int64_t out) const { return B_copy_.narrow(0, 0, out); }
  std::int64_t rank() const { return A_.size(0); }
  at::ScalarType compute_dtype() const { return A_copy_.scalar_type(); }

 private:
  at::Tensor A_, B_;            // as stored
  at::Tensor A_copy_, B_copy_;  // share the storage where the dtype is the same
};

}  // namespace svtune
