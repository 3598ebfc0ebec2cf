#include "nn/cpu_allocator.h"

#include <gtest/gtest.h>

#include "libtorch/prelude.h"

namespace svtune {
namespace cpu_allocator_test {

constexpr std::int64_t kMib = 1 << 20;

at::Tensor block(std::int64_t mib) { return at::empty({mib * kMib}, at::kByte); }

// A phase that needs little after one that needed much: loading, then training.
TEST(CpuAllocator, KeepsNoMoreThanTheNeedOfLate) {
  install_caching_allocator();
  release_cached_blocks();
  {
    const std::vector<at::Tensor> large{block(200), block(200)};
  }
  EXPECT_GE(allocator_stats().cached, 400u * kMib) << "what was needed once is kept at first";
  for (int i = 0; i < 2000; ++i) block(10);
  EXPECT_LT(allocator_stats().cached, 64u * kMib);
  EXPECT_LT(allocator_stats().peak, 64u * kMib);
}

TEST(CpuAllocator, KeepsWhatEachStepNeeds) {
  install_caching_allocator();
  release_cached_blocks();
  const at::Tensor weights = block(100);
  for (int step = 0; step < 100; ++step) {
    {
      const std::vector<at::Tensor> step_tensors{block(80), block(60), block(40)};
    }
    if (step > 0) EXPECT_GE(allocator_stats().cached, 180u * kMib) << "step " << step;
  }
}

TEST(CpuAllocator, ReleaseGivesAllCachedBlocksBack) {
  install_caching_allocator();
  {
    const at::Tensor large = block(100);
  }
  release_cached_blocks();
  EXPECT_EQ(allocator_stats().cached, 0u);
}

}  // namespace cpu_allocator_test
}  // namespace svtune
