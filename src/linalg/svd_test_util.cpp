#include "linalg/svd_test_util.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "libtorch/prelude.h"

namespace svtune::testing {
namespace {

// Tests run beside each other; more threads per test would only wait for each other.
class OneThreadPerTest : public ::testing::Environment {
 public:
  void SetUp() override { at::set_num_threads(1); }
};

const auto* const one_thread_per_test = ::testing::AddGlobalTestEnvironment(new OneThreadPerTest);

}  // namespace

ReferenceSvd reference_svd(const at::Tensor& weight) {
  const auto [U, S, Vh] = at::linalg_svd(weight.to(at::kDouble), /*full_matrices=*/false);
  return {U, S, Vh.t()};
}

at::Tensor random_normal(at::IntArrayRef shape, std::uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::kDouble);
}

at::Tensor with_spectrum(std::int64_t out, std::int64_t in, const at::Tensor& sigma,
                         std::uint64_t seed) {
  const std::int64_t k = sigma.size(0);
  const at::Tensor U = std::get<0>(at::linalg_qr(random_normal({out, k}, seed)));
  const at::Tensor V = std::get<0>(at::linalg_qr(random_normal({in, k}, seed + 1)));
  return at::mm(U * sigma.to(at::kDouble), V.t());
}

at::Tensor model_like(std::int64_t out, std::int64_t in, std::uint64_t seed) {
  const std::int64_t spikes = std::min<std::int64_t>({out, in, 128});
  const double edge =
      0.02 * (std::sqrt(static_cast<double>(out)) + std::sqrt(static_cast<double>(in)));
  const at::Tensor sigma = 3 * edge * at::arange(1, spikes + 1, at::kDouble).pow(-0.45);
  const at::Tensor bulk = 0.02 * random_normal({out, in}, seed + 2);
  return (bulk + with_spectrum(out, in, sigma, seed)).to(at::kBFloat16);
}

double product_distance(const TruncatedSvd& svd, const ReferenceSvd& reference,
                        std::int64_t first) {
  const std::int64_t rank = svd.S.size(0);
  const at::Tensor sigma = reference.S.narrow(0, first, rank);
  const at::Tensor exact =
      at::mm(reference.U.narrow(1, first, rank) * sigma, reference.V.narrow(1, first, rank).t());
  return reconstruction_error(svd.U, svd.S, svd.V, exact);
}

double orthogonality_error(const at::Tensor& Q) {
  const at::Tensor q = Q.to(at::kDouble);
  return (at::mm(q.t(), q) - at::eye(q.size(1), at::kDouble)).abs().max().item<double>();
}

double reconstruction_error(const at::Tensor& U, const at::Tensor& S, const at::Tensor& V,
                            const at::Tensor& weight) {
  const at::Tensor exact = weight.to(at::kDouble);
  const at::Tensor product = at::mm(U.to(at::kDouble) * S.to(at::kDouble), V.to(at::kDouble).t());
  return ((product - exact).norm() / exact.norm()).item<double>();
}

}  // namespace svtune::testing
