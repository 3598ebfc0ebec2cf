// Documents of one row, each against LibTorch's own convolution of it alone.
#include "nn/convolution.h"

#include <ATen/ops/conv1d.h>  // the oracle; the prelude lacks it
#include <gtest/gtest.h>

#include "libtorch/prelude.h"

namespace svtune {
namespace convolution_test {

at::Tensor random(const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed),
                   at::TensorOptions().dtype(at::kDouble));
}

TEST(Convolution, EndsWithEachDocument) {
  const std::vector<std::int32_t> offsets = {0, 1, 3, 3, 12};
  const at::Tensor x = random({12, 4}, 1);
  for (const std::int64_t taps : {1, 3, 5}) {
    const at::Tensor weight = random({6, 4, taps}, 2), bias = random({6}, 3);
    const at::Tensor got = Convolution("conv", weight, bias).forward(x, offsets);
    ASSERT_EQ(got.sizes(), at::IntArrayRef({12, 6}));
    for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
      const std::int64_t begin = offsets[s], count = offsets[s + 1] - begin;
      if (count == 0) continue;
      const at::Tensor document = x.narrow(0, begin, count).t().unsqueeze(0);
      const at::Tensor wanted =
          at::conv1d(document, weight, bias, at::IntArrayRef({1}), at::IntArrayRef({taps / 2}))
              .squeeze(0)
              .t();
      // fp64 sums of 20 products in another order.
      EXPECT_LT((got.narrow(0, begin, count) - wanted).abs().max().item<double>(), 1e-12)
          << taps << " taps, document " << s;
    }
  }
}

}  // namespace convolution_test
}  // namespace svtune
