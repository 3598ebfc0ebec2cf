// What only PiSSA promises: which part of the spectrum trains, and what it refuses. The
// contract suite has the rest.
#include "adapters/pissa/pissa.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/low_rank/low_rank_adapter.h"
#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace pissa_test {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kLayer = "model.layers.3.q_proj";

at::Tensor weight() {
  return at::randn({40, 24}, at::detail::createCPUGenerator(7), at::kDouble).to(at::kFloat);
}

PissaConfig config(std::int64_t rank, const std::string& values) {
  PissaConfig config;
  config.low_rank.rank = rank;
  config.singular_values = values;
  return config;
}

// s·B₀A₀ of a fresh adapter.
at::Tensor product_of(const PissaConfig& config) {
  const BaseWeight base(weight());
  AdapterInit init = make_adapter(config, LayerSite{kLayer, base, 1});
  at::Tensor A, B;
  for (const Trainable& each : init.adapter->trainables()) {
    (each.name.find("lora_A") != std::string::npos ? A : B) = each.tensor.detach();
  }
  return at::mm(B, A);  // alpha = rank: the scaling is 1
}

// The oracle is gesdd in fp64.
at::Tensor triplets(std::int64_t begin, std::int64_t end) {
  const auto [U, S, Vh] = at::linalg_svd(weight().to(at::kDouble), false);
  const std::int64_t r = end - begin;
  return at::mm(U.narrow(1, begin, r) * S.narrow(0, begin, r), Vh.narrow(0, begin, r));
}

TEST(Pissa, SingularValuesChooseTheTriplets) {
  struct Case {
    std::string text;
    std::int64_t begin, end;
  };
  for (const Case& c : {Case{"principal", 0, 4}, Case{"medium", 10, 14}, Case{"minor", 20, 24},
                        Case{"0:4", 0, 4}, Case{"7:11", 7, 11}, Case{"20:24", 20, 24}}) {
    const at::Tensor product = product_of(config(4, c.text)).to(at::kDouble);
    const double error = (product - triplets(c.begin, c.end)).norm().item<double>();
    EXPECT_LT(error, 1e-5) << c.text;  // fp32 factors of values around 10
  }
}

template <class Error>
std::string refusal(const PissaConfig& config) {
  const BaseWeight base(weight());
  try {
    check_layer(config, LayerSite{kLayer, base, 1});
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(Pissa, SingularValuesThatCannotBeAreRefused) {
  for (const char* text : {"", "largest", "4", "4:", ":4", "8:4", "4:4", "-1:3", "1:2:3", "a:b"}) {
    EXPECT_THAT(refusal<UsageError>(config(4, text)), HasSubstr("allowed are principal")) << text;
  }
  EXPECT_THAT(refusal<UsageError>(config(4, "2:8")),
              AllOf(HasSubstr("6 values"), HasSubstr("the rank is 4")));
  EXPECT_THAT(refusal<ModelError>(config(4, "22:26")),
              AllOf(HasSubstr(kLayer), HasSubstr("[40, 24]"), HasSubstr("which has 24")));
  PissaConfig fast = config(4, "2:6");
  fast.svd = PissaSvd::kFast;
  EXPECT_THAT(refusal<UsageError>(fast), HasSubstr("--svd fast finds principal"));
  EXPECT_EQ(refusal<Error>(config(4, "2:6")), "nothing was refused");
}

// What is exact has no seed, so that runs with any seed share a cached decomposition.
TEST(Pissa, ExactStartDoesNotDependOnTheSeed) {
  const BaseWeight base(weight());
  const AdapterInit one = make_adapter(config(4, "principal"), LayerSite{kLayer, base, 1});
  const AdapterInit two = make_adapter(config(4, "principal"), LayerSite{kLayer, base, 2});
  EXPECT_TRUE(one.adapter->trainables()[0].tensor.equal(two.adapter->trainables()[0].tensor));
}

TEST(Pissa, EntriesThatAreNotFiniteNameTheLayer) {
  at::Tensor broken = weight();
  broken[5][6] = std::numeric_limits<float>::quiet_NaN();
  const BaseWeight base(broken);
  try {
    make_adapter(config(4, "principal"), LayerSite{kLayer, base, 1});
    FAIL() << "no error";
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr(kLayer), HasSubstr("row 5, column 6")));
  }
}

}  // namespace pissa_test
}  // namespace svtune
