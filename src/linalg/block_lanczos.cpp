#include "linalg/block_lanczos.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "libtorch/prelude.h"
#include "linalg/lapack.h"
#include "linalg/parallel.h"

namespace svtune::detail {
namespace {

constexpr std::int64_t kColumnsPerTile = 512;
constexpr double kDependent = 1e-5;  // a new direction shorter than this is rounding noise

// The growing Krylov basis. Vectors are rows, so that a block is contiguous memory.
class Basis {
 public:
  Basis(const SymmetricMap& map, const LanczosOptions& options)
      : map_(map),
        block_(options.block),
        generator_(at::detail::createCPUGenerator(options.seed)),
        rows_(at::empty({options.max_dimension, map.size}, map.dtype)),
        projected_(at::zeros({options.max_dimension, options.max_dimension}, map.dtype)) {
    next_ = std::get<0>(orthonormalise(random_block()));
  }

  std::int64_t dimension() const { return dimension_; }

  // Adds the current block and makes the next one from its image.
  void extend() {
    rows_.narrow(0, dimension_, block_).copy_(next_);
    dimension_ += block_;
    const at::Tensor known = rows_.narrow(0, 0, dimension_);
    at::Tensor image = map_.apply(next_);
    at::Tensor overlap = subtract_projection(image, known);
    overlap.add_(subtract_projection(image, known));
    projected_.narrow(0, dimension_ - block_, block_).narrow(1, 0, dimension_).copy_(overlap);
    scale_ = std::max(scale_, overlap.abs().max().item<double>());
    std::tie(next_, coupling_) = orthonormalise(image);
    refill_dependent_rows(image);
  }

  // Eigenpairs of the projected matrix, ascending: values [d], vectors [d, d].
  std::pair<at::Tensor, at::Tensor> ritz_pairs() const {
    auto [values, vectors] =
        lapack::eigh(projected_.narrow(0, 0, dimension_).narrow(1, 0, dimension_));
    return {values, vectors};
  }

  // Residual norms of Ritz vectors [d, k] given by their coordinates.
  at::Tensor residuals(const at::Tensor& coordinates) const {
    const at::Tensor last = coordinates.narrow(0, dimension_ - block_, block_);
    return at::linalg_vector_norm(at::mm(coupling_, last), 2, at::IntArrayRef{0});
  }

  // Coordinates [d, k] -> vectors [n, k].
  at::Tensor combine(const at::Tensor& coordinates) const {
    return at::mm(rows_.narrow(0, 0, dimension_).t(), coordinates);
  }

 private:
  at::Tensor random_block() { return at::randn({block_, map_.size}, generator_, map_.dtype); }

  static at::Tensor subtract_projection(at::Tensor& block, const at::Tensor& known) {
    at::Tensor overlap = at::mm(block, known.t());
    block.addmm_(overlap, known, /*beta=*/1, /*alpha=*/-1);
    return overlap;
  }

  // Rows of `block` made orthonormal, and R with blockᵀ = QR.
  static std::pair<at::Tensor, at::Tensor> orthonormalise(const at::Tensor& block) {
    auto [q, r] = lapack::qr(block.t());
    return {q.t().contiguous(), r};
  }

  // When the Krylov space stops growing, normalised noise would follow: fresh random
  // directions take its place, which also finds further copies of a multiple eigenvalue.
  void refill_dependent_rows(at::Tensor& image) {
    const at::Tensor lengths = coupling_.diagonal().abs().to(at::kDouble);
    const at::Tensor dependent = lengths.le(kDependent * scale_);
    if (!dependent.any().item<bool>()) return;
    coupling_.masked_fill_(dependent.unsqueeze(1), 0);
    const at::Tensor known = rows_.narrow(0, 0, dimension_);
    const at::Tensor mixed = at::where(dependent.unsqueeze(1), random_block(), next_).contiguous();
    image.copy_(mixed);
    for (int pass = 0; pass < 3; ++pass) subtract_projection(image, known);
    next_ = orthonormalise(image).first;
  }

  const SymmetricMap& map_;
  const std::int64_t block_;
  at::Generator generator_;
  at::Tensor rows_;       // [max_dimension, n]
  at::Tensor projected_;  // [max_dimension, max_dimension], lower half
  at::Tensor next_;       // [block, n]
  at::Tensor coupling_;   // [block, block]: norms of what leaves the space
  double scale_ = 0;
  std::int64_t dimension_ = 0;
};

// Basis size at which the residual should reach the tolerance, if it keeps falling as it did
// on average; the residual falls ever faster, hence the small weight of the forecast.
std::int64_t predicted_dimension(std::int64_t dimension, double residual, double tolerance) {
  if (residual >= 0.5) return dimension + dimension / 3;
  const double factor = std::log(tolerance) / std::log(residual);
  return static_cast<std::int64_t>(static_cast<double>(dimension) * (0.7 + 0.3 * factor));
}

}  // namespace

SymmetricMap map_of(const at::Tensor& matrix) {
  const auto apply = [matrix](const at::Tensor& rows) {
    const std::int64_t n = matrix.size(0);
    at::Tensor image = at::empty_like(rows);
    for_each_tile((n + kColumnsPerTile - 1) / kColumnsPerTile, [&](std::int64_t i) {
      const std::int64_t begin = i * kColumnsPerTile;
      const std::int64_t size = std::min(kColumnsPerTile, n - begin);
      at::Tensor columns = image.narrow(1, begin, size);
      at::mm_out(columns, rows, matrix.narrow(1, begin, size));
    });
    return image;
  };
  return {matrix.size(0), matrix.scalar_type(), apply};
}

LanczosResult leading_eigenvectors(const SymmetricMap& map, const LanczosOptions& options) {
  const std::int64_t keep = options.wanted + options.extra;
  Basis basis(map, options);
  LanczosResult result;
  // A check costs a small eigenproblem, so the next one is made where success is likely.
  std::int64_t next_check = std::max(keep + options.block, options.first_check);
  while (next_check <= options.max_dimension) {
    while (basis.dimension() < next_check) {
      if (basis.dimension() + options.block > options.max_dimension) return result;
      basis.extend();
      ++result.steps;
    }
    const std::int64_t d = basis.dimension();
    const auto [values, vectors] = basis.ritz_pairs();
    const double largest = values[d - 1].item<double>();
    const at::Tensor wanted = vectors.narrow(1, d - options.wanted, options.wanted);
    const double residual = basis.residuals(wanted).max().item<double>() / largest;
    if (residual <= options.tolerance) {
      result.converged = true;
      result.vectors = basis.combine(vectors.narrow(1, d - keep, keep).flip(1));
      result.next_eigenvalue = values[d - keep - 1].item<double>();
      return result;
    }
    next_check = std::max(d + options.block, predicted_dimension(d, residual, options.tolerance));
  }
  return result;
}

}  // namespace svtune::detail
