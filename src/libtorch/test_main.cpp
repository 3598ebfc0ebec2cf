// The main program of every test that uses LibTorch: as programs that use svtune do, it settles the
// vector math before work on several threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libtorch/vector_math.h"

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  svtune::settle_vector_math();
  return RUN_ALL_TESTS();
}
