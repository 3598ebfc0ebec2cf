// Products with thin factors, and layers with low-rank updates that read one input.
#include "nn/ops/thin_products.h"

#include <gtest/gtest.h>

#include "libtorch/prelude.h"
#include "nn/ops/low_rank.h"

namespace svtune {
namespace thin_products_test {

using Tensors = std::vector<at::Tensor>;

at::Tensor random(at::IntArrayRef shape, at::ScalarType dtype, std::uint64_t seed) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kDouble)).to(dtype);
}

at::Tensor wide(const at::Tensor& x) { return x.detach().to(at::kDouble); }

double relative(const at::Tensor& got, const at::Tensor& wanted) {
  return ((wide(got) - wide(wanted)).norm() / wide(wanted).norm()).item<double>();
}

struct Shape {
  std::int64_t rows, width, thin;
};

// Rows, panels and strips that are left over; thin ranks; what the kernels leave to ATen.
const Shape kShapes[] = {{131, 576, 16}, {64, 40, 8},  {77, 56, 24}, {900, 192, 48},
                         {33, 8, 8},     {50, 30, 16}, {40, 64, 5},  {7, 64, 8}};

struct Tolerance {
  at::ScalarType dtype;
  double value;
};

// A few roundings of sums of some hundred terms.
const Tolerance kTolerances[] = {{at::kFloat, 3e-6}, {at::kDouble, 1e-13}, {at::kBFloat16, 1e-2}};

TEST(ThinProducts, EqualTheGeneralProductInEachDtype) {
  for (const auto& [dtype, tolerance] : kTolerances) {
    for (const auto& [rows, width, thin] : kShapes) {
      const at::Tensor x = random({rows, width}, dtype, 1), h = random({rows, thin}, dtype, 2);
      const at::Tensor down = random({thin, width}, dtype, 3), up = random({width, thin}, dtype, 4);
      const std::string place = std::to_string(rows) + " x " + std::to_string(width) + " x " +
                                std::to_string(thin) + " " + toString(dtype);
      // Into columns of a wider tensor; a factor as it lies, and one transposed.
      const at::Tensor target = at::zeros({rows, thin + 8}, x.options());
      to_thin(target.narrow(1, 8, thin), x, down.t(), 0.5);
      EXPECT_LT(relative(target.narrow(1, 8, thin), wide(x).mm(wide(down).t()) * 0.5), tolerance)
          << place;
      EXPECT_EQ(target.narrow(1, 0, 8).abs().max().item<double>(), 0) << place;
      to_thin(target.narrow(1, 8, thin), x, up);
      EXPECT_LT(relative(target.narrow(1, 8, thin), wide(x).mm(wide(up))), tolerance) << place;
      for (const at::Tensor& factor : {down, up.t()}) {
        const at::Tensor sum = x.clone();
        add_from_thin(sum, h, factor, 0.25);
        EXPECT_LT(relative(sum, wide(x) + wide(h).mm(wide(factor)) * 0.25), tolerance) << place;
      }
      EXPECT_LT(relative(thin_gram(h, x), wide(h).t().mm(wide(x))), tolerance) << place;
    }
  }
}

TEST(ThinProducts, AreTheSameToTheBitForAnyThreadsAndCompany) {
  const at::Tensor x = random({301, 136}, at::kFloat, 1);
  const at::Tensor factor = random({136, 48}, at::kFloat, 2), h = random({301, 48}, at::kFloat, 3);
  const auto all = [&] {
    const at::Tensor thin = at::empty({301, 48}), sum = x.clone();
    to_thin(thin, x, factor);
    add_from_thin(sum, h, factor.t());
    return Tensors{thin, sum, thin_gram(h, x)};
  };
  const int threads = at::get_num_threads();
  const Tensors together = all();
  at::set_num_threads(1);
  const Tensors alone = all();
  at::set_num_threads(threads);
  for (std::size_t i = 0; i < together.size(); ++i) EXPECT_TRUE(at::equal(together[i], alone[i]));
  const at::Tensor part = at::empty({301, 24});
  to_thin(part, x, factor.narrow(1, 24, 24));
  EXPECT_TRUE(at::equal(part, together[0].narrow(1, 24, 24)));
  EXPECT_TRUE(at::equal(thin_gram(h.narrow(1, 24, 24), x), together[2].narrow(0, 24, 24)));
}

// Layers of different widths and ranks, one of them in the difference form, one with a bias.
struct Layers {
  Tensors weights, starts;
  at::Tensor mask;  // of the second

  std::vector<LowRankLayer> with(const Tensors& x) const {
    const auto copy = [](const at::Tensor& leaf) { return leaf.detach(); };
    const LowRankFactors first{copy(x[1]), copy(x[2]), 0.5, false};
    const LowRankFactors second{at::cat({copy(x[3]), copy(x[3]) - starts[0]}, 0),
                                at::cat({copy(x[4]) - starts[1], starts[1]}, 1), 2.0, true};
    return {{BaseWeight(weights[0]), {first, {x[1], x[2], x[5]}}},
            {BaseWeight(weights[1]), {second, {x[3], x[4], {}}, mask}}};
  }
};

at::Tensor plain(const Layers& layers, const Tensors& x) {
  const at::Tensor first = at::linear(x[0], wide(layers.weights[0])) +
                           0.5 * (at::linear(at::linear(x[0], x[1]), x[2]) + x[5]);
  const at::Tensor input = layers.mask.defined() ? x[0] * wide(layers.mask) : x[0];
  const at::Tensor second =
      at::linear(x[0], wide(layers.weights[1])) +
      2.0 * (at::linear(at::linear(input, x[3]), x[4]) -
             at::linear(at::linear(input, wide(layers.starts[0])), wide(layers.starts[1])));
  return at::cat({first, second}, 1);
}

void expect_plain_gradients(at::ScalarType dtype, double tolerance, bool masked) {
  const Layers layers{{random({24, 40}, dtype, 1), random({16, 40}, dtype, 2)},
                      {random({8, 40}, dtype, 3), random({16, 8}, dtype, 4)},
                      masked ? random({70, 40}, dtype, 5) : at::Tensor()};
  Tensors leaves, copies;
  const std::vector<std::vector<std::int64_t>> shapes = {{70, 40}, {8, 40}, {24, 8},
                                                         {8, 40},  {16, 8}, {24}};
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    leaves.push_back(random(shapes[i], dtype, 10 + i).requires_grad_(true));
    copies.push_back(wide(leaves.back()).requires_grad_(true));
  }
  const at::Tensor got = at::cat(low_rank_linears(leaves[0], layers.with(leaves)), 1);
  const at::Tensor wanted = plain(layers, copies);
  EXPECT_LT(relative(got, wanted), tolerance);
  const at::Tensor direction = random(got.sizes(), dtype, 99);
  (got * direction).sum().backward();
  (wanted * wide(direction)).sum().backward();
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    EXPECT_LT(relative(leaves[i].grad(), copies[i].grad()), tolerance)
        << toString(dtype) << " gradient " << i;
  }
}

// bf16 rounds every factor of the difference form and what lies between the products.
TEST(LowRankLinears, GradientsEqualThoseOfThePlainFormWithAndWithoutDropout) {
  for (const bool masked : {false, true}) {
    expect_plain_gradients(at::kDouble, 1e-12, masked);
    expect_plain_gradients(at::kFloat, 3e-6, masked);
    expect_plain_gradients(at::kBFloat16, 3e-2, masked);
  }
}

}  // namespace thin_products_test
}  // namespace svtune
