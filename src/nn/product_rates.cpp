#include "nn/product_rates.h"

#include <ATen/ops/_int_mm.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "base/clock.h"
#include "libtorch/prelude.h"
#include "nn/base_weight.h"

namespace svtune {
namespace {

constexpr std::int64_t kMinRows = 16, kMaxRows = 128;
constexpr std::int64_t kMaxSide = 2048;  // of a weight: more of it would tell nothing new
constexpr double kSeconds = 1e-3;        // for one product
constexpr int kRuns = 2;
// A first look, which is quick on any path: some are a thousand times slower than the best.
constexpr ProductShape kProbe{256, 256};

using Product = std::function<void(std::int64_t rows)>;
struct Directions {
  Product forward, backward;
};

double seconds_of(const Product& product, std::int64_t rows) {
  const double begin = steady_seconds();
  product(rows);
  return std::max(steady_seconds() - begin, 1e-9);
}

double operations(std::int64_t rows, const ProductShape& shape) {
  return 2.0 * static_cast<double>(rows) * static_cast<double>(shape.out) *
         static_cast<double>(shape.in);
}

double probe_rate(const Product& product) {
  product(kMinRows);  // makes what the library keeps for a shape
  return operations(kMinRows, kProbe) / seconds_of(product, kMinRows);
}

double rate_of(const ProductShape& shape, const Product& product, double probed) {
  if (operations(kMinRows, shape) / probed > 5 * kSeconds) return probed;
  product(kMinRows);
  const double enough = kSeconds / seconds_of(product, kMinRows) * kMinRows;
  const std::int64_t rows =
      std::clamp(static_cast<std::int64_t>(enough) / kMinRows * kMinRows, kMinRows, kMaxRows);
  if (rows > kMinRows) product(rows);
  double fastest = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRuns; ++i) fastest = std::min(fastest, seconds_of(product, rows));
  return operations(rows, shape) / fastest;
}

// Rates of products that follow each other: the times add up.
class MeanRate {
 public:
  void add(double work, double rate) {
    work_ += work;
    seconds_ += work / rate;
  }
  double rate() const { return seconds_ > 0 ? work_ / seconds_ : 0; }

 private:
  double work_ = 0, seconds_ = 0;
};

// `products` makes both of a shape, for up to kMaxRows rows.
ProductRate rates_of(std::span<const ProductShape> shapes,
                     const std::function<Directions(const ProductShape&)>& products) {
  const Directions probe = products(kProbe);
  const ProductRate probed{probe_rate(probe.forward), probe_rate(probe.backward)};
  MeanRate forward, backward;
  for (const ProductShape& whole : shapes) {
    const ProductShape shape{std::min(whole.out, kMaxSide), std::min(whole.in, kMaxSide)};
    const Directions both = products(shape);
    forward.add(operations(1, whole), rate_of(shape, both.forward, probed.forward));
    backward.add(operations(1, whole), rate_of(shape, both.backward, probed.backward));
  }
  return {forward.rate(), backward.rate()};
}

// Neither zeros nor denormals, which some processors treat apart.
at::Tensor values(std::int64_t rows, std::int64_t columns, at::ScalarType dtype) {
  return at::full({rows, columns}, dtype == at::kChar ? 3.0 : 0.5,
                  at::TensorOptions().dtype(dtype));
}

}  // namespace

double ProductRate::both() const {
  return forward > 0 && backward > 0 ? 2 / (1 / forward + 1 / backward) : 0;
}

ProductRate product_rate(std::span<const ProductShape> shapes, at::ScalarType stored,
                         at::ScalarType compute) {
  const at::NoGradGuard no_grad;
  return rates_of(shapes, [&](const ProductShape& shape) {
    const BaseWeight weight(values(shape.out, shape.in, stored), compute);
    const at::Tensor x = values(kMaxRows, shape.in, compute);
    const at::Tensor g = values(kMaxRows, shape.out, compute);
    return Directions{
        [weight, x](std::int64_t rows) { weight.matmul(x.narrow(0, 0, rows)); },
        [weight, g](std::int64_t rows) { weight.matmul_transposed(g.narrow(0, 0, rows)); }};
  });
}

ProductRate int8_product_rate(std::span<const ProductShape> shapes) {
  const at::NoGradGuard no_grad;
  try {
    return rates_of(shapes, [](const ProductShape& shape) {
      // One copy of the weight for each direction, [in, out] and [out, in] seen by the product.
      const at::Tensor down = values(shape.out, shape.in, at::kChar).t();
      const at::Tensor up = values(shape.in, shape.out, at::kChar).t();
      const at::Tensor x = values(kMaxRows, shape.in, at::kChar);
      const at::Tensor g = values(kMaxRows, shape.out, at::kChar);
      return Directions{[down, x](std::int64_t rows) { at::_int_mm(x.narrow(0, 0, rows), down); },
                        [up, g](std::int64_t rows) { at::_int_mm(g.narrow(0, 0, rows), up); }};
    });
  } catch (const c10::Error&) {
    return {};
  }
}

}  // namespace svtune
