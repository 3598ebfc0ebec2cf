#include "io/arithmetic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>

#include "base/blob_cache.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace arithmetic_test {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// One variable of the environment, put back at the end.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* text = std::getenv(name)) before_ = text;
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (before_) {
      ::setenv(name_, before_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }

 private:
  const char* name_;
  std::optional<std::string> before_;
};

ArchSpec small_spec() {
  ArchSpec spec;
  spec.hidden_size = 64;
  spec.intermediate_size = 160;
  spec.num_heads = 4;
  spec.num_kv_heads = 2;
  spec.head_dim = 16;
  return spec;
}

// The rates as if measured before, so that the choice does not depend on the machine.
void remember(const std::filesystem::path& cache, const std::string& rates) {
  BlobCache store(cache / "arithmetic", 1 << 20);
  const std::array<std::string_view, 1> pieces{rates};
  store.store(arithmetic_key(product_shapes(small_spec())), pieces);
}

TEST(Arithmetic, TheFasterOneIsChosenWithItsReason) {
  const Arithmetic wide = choose_arithmetic({.fp32 = 290e9, .bf16 = 160e9});
  EXPECT_EQ(wide.compute, at::kFloat);
  EXPECT_EQ(wide.reason, "bf16 weights, fp32 arithmetic: 1.8 times bf16 here");
  const Arithmetic narrow = choose_arithmetic({.fp32 = 190e9, .bf16 = 400e9});
  EXPECT_EQ(narrow.compute, at::kBFloat16);
  EXPECT_EQ(narrow.reason, "bf16 weights, bf16 arithmetic: 2.1 times fp32 here");
}

TEST(Arithmetic, NearlyEqualRatesKeepTheSmallerActivations) {
  EXPECT_EQ(choose_arithmetic({.fp32 = 105e9, .bf16 = 100e9}).compute, at::kBFloat16);
}

TEST(Arithmetic, WhatIsAskedForIsTaken) {
  for (const at::ScalarType asked : {at::kFloat, at::kBFloat16}) {
    const Arithmetic choice = arithmetic_for(small_spec(), at::kBFloat16, asked);
    EXPECT_EQ(choice.compute, asked);
    EXPECT_EQ(choice.reason, asked == at::kFloat ? "bf16 weights, fp32 arithmetic"
                                                 : "bf16 weights, bf16 arithmetic");
  }
}

TEST(Arithmetic, WeightsOfOtherDtypesAreComputedInFp32) {
  for (const at::ScalarType stored : {at::kFloat, at::kHalf}) {
    EXPECT_EQ(arithmetic_for(small_spec(), stored, {}).compute, at::kFloat);
  }
  EXPECT_THAT(arithmetic_for(small_spec(), at::kHalf, {}).reason, StartsWith("fp16 weights, fp32"));
}

TEST(Arithmetic, IsMeasuredUntilNothingDisturbedItAndThenKept) {
  const test::TempDirectory cache;
  const Variable directory("SVTUNE_CACHE_DIR", cache.path().string());
  const Variable limit("SVTUNE_CACHE_GIB", "1");
  int measured = 0;
  bool undisturbed = false;
  const auto measure = [&] {
    ++measured;
    return MeasuredRates{{.fp32 = 1e11 * measured, .bf16 = 1e11}, undisturbed};
  };
  EXPECT_EQ(kept_rates("key", measure).fp32, 1e11);
  undisturbed = true;
  EXPECT_EQ(kept_rates("key", measure).fp32, 2e11);
  EXPECT_EQ(kept_rates("key", measure).fp32, 2e11);
  EXPECT_EQ(measured, 2);
}

TEST(Arithmetic, ADisturbedMeasurementIsRepeatedOnceAndTheFasterRatesCount) {
  int measured = 0, looked = 0;
  const auto measure = [&] {
    return ++measured == 1 ? ArithmeticRates{.fp32 = 1, .bf16 = 4}
                           : ArithmeticRates{.fp32 = 3, .bf16 = 2};
  };
  const MeasuredRates busy = settled_rates(measure, [&] { return ++looked; });
  EXPECT_FALSE(busy.undisturbed);
  EXPECT_EQ(measured, 2);
  EXPECT_EQ(busy.rates.fp32, 3);
  EXPECT_EQ(busy.rates.bf16, 4);
  measured = 0;
  const MeasuredRates idle = settled_rates(measure, [] { return 7; });
  EXPECT_TRUE(idle.undisturbed);
  EXPECT_EQ(measured, 1);
  EXPECT_EQ(idle.rates.bf16, 4);
}

TEST(Arithmetic, FollowsTheCachedRates) {
  const test::TempDirectory cache;
  const Variable directory("SVTUNE_CACHE_DIR", cache.path().string());
  const Variable limit("SVTUNE_CACHE_GIB", "1");
  remember(cache.path(), R"({"fp32": 3e11, "bf16": 1e11})");
  EXPECT_EQ(arithmetic_for(small_spec(), at::kBFloat16, {}).compute, at::kFloat);
  remember(cache.path(), R"({"fp32": 1e11, "bf16": 3e11})");
  EXPECT_EQ(arithmetic_for(small_spec(), at::kBFloat16, {}).compute, at::kBFloat16);
}

TEST(Arithmetic, AnUnusableEntryIsMeasuredAnew) {
  const test::TempDirectory cache;
  const Variable directory("SVTUNE_CACHE_DIR", cache.path().string());
  const Variable limit("SVTUNE_CACHE_GIB", "1");
  for (const char* text : {"", "{}", "[1, 2]", R"({"fp32": 0, "bf16": 1})"}) {
    remember(cache.path(), text);
    const Arithmetic choice = arithmetic_for(small_spec(), at::kBFloat16, {});
    EXPECT_THAT(choice.reason, HasSubstr(" times ")) << text;
  }
}

TEST(Arithmetic, AnotherKindOfProcessorHasAnotherKey) {
  const auto shapes = product_shapes(small_spec());
  const std::string here = arithmetic_key(shapes);
  EXPECT_EQ(arithmetic_key(shapes), here);
  const Variable hidden("ONEDNN_MAX_CPU_ISA", "AVX2_TEST");
  EXPECT_NE(arithmetic_key(shapes), here);
  EXPECT_NE(arithmetic_key({{8, 8}}), arithmetic_key(shapes));
}

}  // namespace arithmetic_test
}  // namespace svtune
