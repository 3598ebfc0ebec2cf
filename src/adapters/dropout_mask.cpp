#include "adapters/dropout_mask.h"

#include "libtorch/prelude.h"

namespace svtune {

at::Tensor dropout_mask_for(const at::Tensor& x, double probability, std::uint64_t seed) {
  if (probability <= 0) return {};
  const double keep = 1.0 - probability;
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  const at::Tensor mask =
      at::empty(x.sizes(), x.options().device(at::kCPU)).bernoulli_(keep, generator).div_(keep);
  return mask.to(x.device());
}

}  // namespace svtune
