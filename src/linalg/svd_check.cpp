#include "linalg/svd_check.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/number_text.h"
#include "libtorch/prelude.h"
#include "linalg/svd_prepare.h"

namespace svtune::detail {
namespace {

constexpr std::int64_t kProbes = 8;

at::Tensor probes(std::int64_t size, at::ScalarType dtype) {
  auto generator = at::detail::createCPUGenerator(/*seed=*/1729);
  return at::randn({size, kProbes}, generator, dtype);
}

// Of a difference that was multiplied by probes: the Frobenius norm of the difference.
double probed_norm(const at::Tensor& product) {
  return std::sqrt(product.to(at::kDouble).square().sum().item<double>() / kProbes);
}

// NaN compares as a fault.
std::string above(double got, double allowed, const std::string& what) {
  if (got <= allowed) return "";
  return what + " is off by " + scientific(got, 1) + ", allowed are " + scientific(allowed, 1);
}

std::string fault_of_values(const at::Tensor& S) {
  if (!at::isfinite(S).all().item<bool>()) return "a singular value is not finite";
  const bool negative = S.lt(0).any().item<bool>();
  if (negative || (S.size(0) > 1 && S.diff().gt(0).any().item<bool>())) {
    return "singular values are negative or not in order";
  }
  return "";
}

std::string fault_of_basis(const at::Tensor& Q, double allowed, const std::string& name) {
  const at::Tensor x = probes(Q.size(1), Q.scalar_type());
  return above(probed_norm(at::mm(Q.t(), at::mm(Q, x)) - x), allowed,
               "orthogonality of the " + name);
}

at::Tensor scaled(const at::Tensor& S, const at::Tensor& rows) {
  return S.to(rows.scalar_type()).unsqueeze(1) * rows;
}

// Products with A in fp64 only where its entries are, or the factors' error must be seen there.
at::ScalarType working_type(const MatrixTiles& matrix, const at::Tensor& left) {
  const bool both =
      left.scalar_type() == at::kDouble && matrix.weight().scalar_type() == at::kDouble;
  return both ? at::kDouble : at::kFloat;
}

}  // namespace

std::string fault_of_triplets(const at::Tensor& left, const at::Tensor& S, const at::Tensor& right,
                              const SvdTolerance& tolerance) {
  if (std::string fault = fault_of_values(S); !fault.empty()) return fault;
  std::string fault = fault_of_basis(left, tolerance.orthogonality, "long side's vectors");
  if (!fault.empty()) return fault;
  return fault_of_basis(right, tolerance.orthogonality, "short side's vectors");
}

std::string fault_of_full(const MatrixTiles& matrix, const at::Tensor& left, const at::Tensor& S,
                          const at::Tensor& right, const SvdTolerance& tolerance) {
  if (std::string fault = fault_of_triplets(left, S, right, tolerance); !fault.empty()) {
    return fault;
  }
  const at::Tensor x = probes(matrix.short_side(), working_type(matrix, left));
  const at::Tensor wanted = matrix.times(x);
  const at::Tensor inner = scaled(S, at::mm(right.t(), x.to(right.scalar_type())));
  const at::Tensor difference = at::mm(left, inner.to(left.scalar_type())) - wanted;
  return above(probed_norm(difference) / probed_norm(wanted), tolerance.product, "the product");
}

std::string fault_of_part(const MatrixTiles& matrix, const at::Tensor& left, const at::Tensor& S,
                          const at::Tensor& right, const SvdTolerance& tolerance) {
  if (std::string fault = fault_of_triplets(left, S, right, tolerance); !fault.empty()) {
    return fault;
  }
  const at::ScalarType dtype = working_type(matrix, left);
  const at::Tensor y = probes(S.size(0), dtype), turned = scaled(S, y);
  const at::Tensor l = left.to(dtype), r = right.to(dtype);
  const double forward = probed_norm(matrix.times(at::mm(r, y)) - at::mm(l, turned));
  const double backward = probed_norm(matrix.transposed_times(at::mm(l, y)) - at::mm(r, turned));
  const double share = static_cast<double>(S.size(0)) / static_cast<double>(matrix.short_side());
  const double usual = std::sqrt(share * sum_of_squares(matrix.weight()));
  return above(std::min(forward, backward) / std::max(probed_norm(turned), usual),
               tolerance.product, "the product");
}

namespace {

template <class Svd, class Check>
std::string fault_of_result(const at::Tensor& weight, const Svd& svd, const Check& check) {
  const PreparedWeight prepared = prepare_weight(weight);
  const at::Tensor S = svd.S.to(at::kDouble) / prepared.scale;
  if (prepared.zero) return fault_of_triplets(svd.U, S, svd.V, kFloatFactors);
  const MatrixTiles matrix(prepared.weight);
  return matrix.transposed() ? check(matrix, svd.V, S, svd.U, kFloatFactors)
                             : check(matrix, svd.U, S, svd.V, kFloatFactors);
}

}  // namespace

std::string fault_of(const at::Tensor& weight, const ThinSvd& svd) {
  return fault_of_result(weight, svd, fault_of_full);
}

std::string fault_of(const at::Tensor& weight, const TruncatedSvd& svd) {
  return fault_of_result(weight, svd, fault_of_part);
}

}  // namespace svtune::detail
