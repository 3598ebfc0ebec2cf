#include "adapters/vera/vera_projection.h"

#include <cmath>

#include "libtorch/prelude.h"

namespace svtune {
namespace {

at::Tensor draw(std::int64_t rows, std::int64_t columns, const at::Generator& generator) {
  const double bound = std::sqrt(6.0 / static_cast<double>(columns));
  return at::empty({rows, columns}, at::kFloat).uniform_(-bound, bound, generator);
}

}  // namespace

VeraProjection::VeraProjection(std::int64_t rank, std::int64_t out, std::int64_t in,
                               std::int64_t key, at::TensorOptions compute) {
  const at::Generator generator = at::detail::createCPUGenerator(static_cast<std::uint64_t>(key));
  A_ = draw(rank, in, generator).to(compute.device());
  B_ = draw(out, rank, generator).to(compute.device());
  A_copy_ = A_.to(compute.dtype());
  B_copy_ = B_.to(compute.dtype());
}

std::vector<NamedTensor> VeraProjection::shared() const { return {{"vera_A", A_}, {"vera_B", B_}}; }

void VeraProjection::refresh() {
  if (A_copy_.is_alias_of(A_)) return;
  A_copy_.copy_(A_);
  B_copy_.copy_(B_);
}

std::int64_t VeraProjection::held_bytes() const {
  if (A_copy_.is_alias_of(A_)) return 0;
  return static_cast<std::int64_t>(A_copy_.nbytes() + B_copy_.nbytes());
}

}  // namespace svtune
