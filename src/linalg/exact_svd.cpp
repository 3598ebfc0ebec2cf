#include "linalg/exact_svd.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "libtorch/prelude.h"
#include "linalg/block_lanczos.h"
#include "linalg/fallback.h"
#include "linalg/gram.h"
#include "linalg/lapack.h"
#include "linalg/svd_check.h"
#include "linalg/tridiagonal.h"

namespace svtune::detail {
namespace {

constexpr std::int64_t kTiny = 48;          // gesdd costs nothing
constexpr std::int64_t kSmall = 256;        // an fp64 eigenproblem costs a few milliseconds
constexpr double kProductTolerance = 2e-5;  // a fifth of what `exact` promises
constexpr double kSmallestSigma = 1e-5;     // squares below 1e-10 lose vectors even in fp64
constexpr double kLargestResidual = 1e-4;   // of the largest σ; what is found has 5e-6 at most
constexpr double kLanczosTolerance = 2e-7;  // rounding level of the fp32 Gram matrix

// A subspace that should hold the wanted vectors, and what is known of the rest.
struct Subspace {
  at::Tensor vectors;          // [short, q], leading first
  double next_eigenvalue = 0;  // of AᵀA, the first outside
  std::string name;
  std::int64_t passes = 1;  // times the weight was read for it
};

// Distance of the triplets' product from the exact one, relative: each right vector is off
// by at most its residual in AᵀA over the gap to the spectrum outside the subspace.
double estimated_product_error(const Triplets& found, const at::Tensor& image,
                               double next_eigenvalue) {
  const at::Tensor residual =
      at::linalg_vector_norm(image - found.right * found.sigma, 2, at::IntArrayRef{0});
  const at::Tensor squares = found.sigma.square();
  const at::Tensor gap = (squares - next_eigenvalue).clamp_min(1e-300);
  const at::Tensor angle = (residual * found.sigma / gap).clamp_max(1.0);
  const double error = (angle * found.sigma).square().sum().item<double>();
  return std::sqrt(error / squares.sum().item<double>());
}

LanczosOptions lanczos_options(std::int64_t rank, std::int64_t extra, std::uint64_t seed) {
  LanczosOptions options;
  options.wanted = rank;
  options.extra = extra;
  options.block = rank <= 64 ? 16 : 32;
  options.first_check = 9 * options.block + 3 * rank;
  options.tolerance = kLanczosTolerance;
  options.seed = seed;
  return options;
}

std::optional<Subspace> subspace_by_lanczos(const SymmetricMap& map, const std::string& name,
                                            const LanczosOptions& options) {
  const LanczosResult found = leading_eigenvectors(map, options);
  if (!found.converged) return std::nullopt;
  return Subspace{found.vectors, found.next_eigenvalue,
                  name + " + block Lanczos (" + std::to_string(options.block) + " x " +
                      std::to_string(found.steps) + ")",
                  found.steps};
}

std::optional<Subspace> subspace_by_gram_lanczos(const at::Tensor& gram, LanczosOptions options) {
  options.max_dimension = gram.size(0) * 7 / 10;
  // Beyond this the reduction to tridiagonal form is cheaper.
  if (20 * options.first_check > 9 * gram.size(0)) return std::nullopt;
  return subspace_by_lanczos(map_of(gram), "gram", options);
}

Subspace subspace_by_tridiagonal(const at::Tensor& gram, std::int64_t size) {
  const LeadingEigenpairs pairs = leading_eigenpairs(gram, size);
  return {pairs.vectors, pairs.values.back(), "gram + tridiagonal (fp32)"};
}

Subspace subspace_by_eigh(const at::Tensor& gram, std::int64_t size) {
  const auto [values, vectors] = lapack::eigh(gram);
  const std::int64_t n = gram.size(0);
  const bool all = size == n;
  return {vectors.narrow(1, n - size, size).flip(1),
          all ? 0.0 : values[n - size - 1].item<double>(), "gram + eigh (fp64)"};
}

// ‖Aᵀu − σv‖ of the worst triplet over the largest σ.
double largest_residual(const ExactTriplets& found) {
  const Triplets& triplets = found.triplets;
  const at::Tensor residual =
      at::linalg_vector_norm(found.image - triplets.right * triplets.sigma, 2, at::IntArrayRef{0});
  return residual.max().item<double>() / triplets.sigma[0].item<double>();
}

bool sigma_resolved(const Triplets& found) {
  const at::Tensor& sigma = found.sigma;
  return sigma[-1].item<double>() >= kSmallestSigma * sigma[0].item<double>();
}

// Operations of the two ways to a Krylov space of `dimension` vectors, as if all ran at the speed
// of large fp32 products: thin ones reach two thirds of it, those of the bf16 kernel twice.
bool weight_is_cheaper_than_gram(const MatrixTiles& matrix, double dimension) {
  const auto rows = static_cast<double>(matrix.long_side());
  const auto n = static_cast<double>(matrix.short_side());
  const double kernel = uses_bf16_products(matrix.weight()) ? 0.5 : 1.0;
  const double by_gram = kernel * rows * n * n + 2 * n * n * dimension;
  return 1.5 * 4 * rows * n * dimension < by_gram;
}

// From a subspace to triplets that are known to be exact.
std::optional<ExactTriplets> verified(const MatrixTiles& matrix, const Subspace& subspace,
                                      std::int64_t rank) {
  ExactTriplets result{
      rayleigh_ritz(matrix, subspace.vectors, rank), subspace.name, "", subspace.passes + 2, {}};
  if (!sigma_resolved(result.triplets)) return std::nullopt;
  result.image = matrix.transposed_times(result.triplets.left.to(at::kFloat));
  const double error =
      estimated_product_error(result.triplets, result.image, subspace.next_eigenvalue);
  if (error > kProductTolerance) return std::nullopt;
  return result;
}

std::optional<ExactTriplets> leading_by_weight(const MatrixTiles& matrix, LanczosOptions options) {
  const SymmetricMap map{matrix.short_side(), at::kFloat, [&](const at::Tensor& rows) {
                           return matrix.gram_times(rows.t()).t().contiguous();
                         }};
  // Where convergence takes much longer than expected the Gram matrix is the cheaper way after all.
  options.max_dimension = std::min(matrix.short_side() / 2, 2 * options.first_check);
  const std::optional<Subspace> subspace = subspace_by_lanczos(map, "weight", options);
  return subspace ? verified(matrix, *subspace, options.wanted) : std::nullopt;
}

std::optional<ExactTriplets> leading_by_fast_gram(const MatrixTiles& matrix,
                                                  const LanczosOptions& options) {
  const at::Tensor gram = gram_matrix(matrix, GramPrecision::kFast).to(at::kFloat);
  std::optional<Subspace> subspace = subspace_by_gram_lanczos(gram, options);
  if (!subspace) subspace = subspace_by_tridiagonal(gram, options.wanted + options.extra);
  return verified(matrix, *subspace, options.wanted);
}

std::optional<ExactTriplets> leading_by_double_gram(const MatrixTiles& matrix, std::int64_t rank) {
  const Subspace subspace = subspace_by_eigh(gram_matrix(matrix, GramPrecision::kDouble), rank);
  ExactTriplets result{rayleigh_ritz(matrix, subspace.vectors, rank), subspace.name, "", 2, {}};
  if (!sigma_resolved(result.triplets)) return std::nullopt;
  result.image = matrix.transposed_times(result.triplets.left.to(at::kFloat));
  if (!(largest_residual(result) <= kLargestResidual)) return std::nullopt;
  return result;
}

}  // namespace

ExactTriplets triplets_by_gesdd(const MatrixTiles& matrix, std::int64_t first, std::int64_t count) {
  const at::Tensor& weight = matrix.weight();
  const SvdFactors all = dense_svd(matrix.transposed() ? weight.t() : weight);
  ExactTriplets result;
  result.triplets = {all.U.narrow(1, first, count), all.S.narrow(0, first, count),
                     all.V.narrow(1, first, count)};
  result.algorithm = all.given_up.empty() ? "gesdd (fp64)" : "Jacobi rotations (fp64)";
  result.given_up = all.given_up;
  result.passes = 1;
  return result;
}

ExactTriplets exact_leading_triplets(const MatrixTiles& matrix, std::int64_t rank,
                                     std::uint64_t seed) {
  const std::int64_t n = matrix.short_side();
  if (n <= kTiny) return triplets_by_gesdd(matrix, 0, rank);
  const auto sound = [](std::optional<ExactTriplets> found) {
    if (found && !fault_of_triplets(found->triplets.left, found->triplets.sigma,
                                    found->triplets.right, kFloatFactors)
                      .empty()) {
      found.reset();
    }
    return found;
  };
  std::vector<Attempt<ExactTriplets>> attempts;
  if (n > kSmall && rank <= n / 2) {
    const LanczosOptions options = lanczos_options(rank, std::min(n - rank, 8 + rank / 16), seed);
    if (weight_is_cheaper_than_gram(matrix, static_cast<double>(options.first_check))) {
      attempts.push_back(
          {"weight (fp32)", [=, &matrix] { return sound(leading_by_weight(matrix, options)); }});
    }
    attempts.push_back(
        {"gram (fp32)", [=, &matrix] { return sound(leading_by_fast_gram(matrix, options)); }});
  }
  attempts.push_back({"gram (fp64)", [&] { return sound(leading_by_double_gram(matrix, rank)); }});
  attempts.push_back({"gesdd", [&] { return std::optional(triplets_by_gesdd(matrix, 0, rank)); }});
  return first_success<ExactTriplets>(attempts);
}

}  // namespace svtune::detail
