// CMakeLists.txt runs this once as it is and once with slow_look_up.cpp preloaded.
#include "libtorch/vector_math.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include "libtorch/prelude.h"

namespace svtune {
namespace vector_math_test {

// The main program has settled it. Enough numbers for two threads.
TEST(VectorMath, TheFirstCallOnTwoThreadsHasTheBitsOfTheSecond) {
  at::set_num_threads(2);
  const at::Tensor x = at::linspace(-8, 8, 1 << 17, at::kFloat);
  const at::Tensor first = at::exp(x), second = at::exp(x);
  EXPECT_TRUE(at::equal(first, second)) << (first - second).abs().max().item<float>();
  // What the preloaded library is for.
  auto* looked_up =
      reinterpret_cast<bool (*)()>(::dlsym(RTLD_DEFAULT, "svtune_processor_looked_up"));
  if (looked_up != nullptr && !looked_up()) GTEST_SKIP() << "another vector math is in use";
}

}  // namespace vector_math_test
}  // namespace svtune
