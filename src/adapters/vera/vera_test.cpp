// What only VeRA promises: PEFT's random matrices, shared by layers of any size. The contract
// suite has the rest.
#include "adapters/vera/vera.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/tinylora/tinylora.h"
#include "adapters/vera/vera_adapter.h"
#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace vera_test {

at::Tensor seeded(const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kDouble);
}

std::vector<float> values_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous().view({-1});
  return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

// Drawn by PEFT 0.21.2 with torch 2.13.0.
TEST(Vera, MatricesAreThoseOfPeftsGenerator) {
  const VeraProjection zero(2, 4, 3, 0, at::kFloat);
  EXPECT_EQ(values_of(zero.shared()[0].tensor),
            (std::vector<float>{-0.010587962344288826F, 0.75864577293396F, -1.1639615297317505F,
                                -1.040774941444397F, -0.5446904897689819F, 0.3792317807674408F}));
  EXPECT_EQ(values_of(zero.shared()[1].tensor),
            (std::vector<float>{-0.03431743383407593F, 1.3733248710632324F, -0.15370918810367584F,
                                0.4583223760128021F, -0.5234484076499939F, -0.34046122431755066F,
                                -1.6547120809555054F, -1.1471062898635864F}));
  // Sixteen values and more are drawn another way.
  const VeraProjection large(16, 56, 40, 7, at::kFloat);
  const at::Tensor A = large.shared()[0].tensor, B = large.shared()[1].tensor;
  EXPECT_EQ(A[15][39].item<float>(), -0.13612808287143707F);
  EXPECT_EQ(B[55][15].item<float>(), -0.40376168489456177F);
  EXPECT_NEAR(A.to(at::kDouble).sum().item<double>(), -2.988648910584743, 1e-12);
  EXPECT_NEAR(B.to(at::kDouble).sum().item<double>(), 9.64412607694976, 1e-12);
}

class VeraLayers : public ::testing::Test {
 protected:
  // Two layers of unlike sizes: the matrices are [r, 20] and [18, r].
  const std::string names_[2] = {"wide", "tall"};
  const BaseWeight bases_[2] = {BaseWeight(seeded({12, 20}, 1)), BaseWeight(seeded({18, 10}, 2))};
  const VeraConfig config_{.rank = 5};

  std::shared_ptr<MethodState> state() const {
    const std::vector<LayerSite> sites{{names_[0], bases_[0], 1}, {names_[1], bases_[1], 2}};
    return make_state(config_, sites);
  }
  AdapterInit adapter(int i, const std::shared_ptr<MethodState>& state) const {
    LayerSite site{names_[i], bases_[i], 1};
    site.state = state;
    return make_adapter(config_, site);
  }
};

TEST_F(VeraLayers, SliceMatricesOfTheLargestSizes) {
  const std::shared_ptr<MethodState> shared = state();
  const at::Tensor A = shared->shared()[0].tensor.to(at::kDouble);
  const at::Tensor B = shared->shared()[1].tensor.to(at::kDouble);
  EXPECT_EQ(A.sizes(), (at::IntArrayRef{5, 20}));
  EXPECT_EQ(B.sizes(), (at::IntArrayRef{18, 5}));
  for (int i : {0, 1}) {
    AdapterInit init = adapter(i, shared);
    const std::vector<Trainable> leaves = init.adapter->trainables();
    const std::int64_t out = bases_[i].out_features(), in = bases_[i].in_features();
    const at::Tensor b = seeded({out}, 4), d = seeded({5}, 5), x = seeded({7, in}, 6);
    leaves[0].tensor.detach().copy_(b);
    leaves[1].tensor.detach().copy_(d);
    const at::Tensor change =
        at::mm(B.narrow(0, 0, out) * b.unsqueeze(1), A.narrow(1, 0, in) * d.unsqueeze(1));
    const at::Tensor expected = at::linear(x, bases_[i].dense() + change);
    const at::NoGradGuard no_grad;
    // fp64 in another order.
    EXPECT_LT((init.adapter->forward(x, bases_[i]) - expected).abs().max().item<double>(), 1e-12);
  }
}

TEST_F(VeraLayers, KeepTheHiddenRowsForBackwardAndNotTheInput) {
  const AdapterInit init = adapter(0, state());
  const AdapterMemory memory = init.adapter->memory(100);
  EXPECT_FALSE(memory.keeps_input);
  EXPECT_EQ(memory.kept_per_token, 5);
  EXPECT_EQ(memory.held_bytes, 0);
}

TEST_F(VeraLayers, TrainRankPlusOutputNumbers) {
  for (int i : {0, 1}) {
    const AdapterInit init = adapter(i, state());
    std::int64_t count = 0;
    for (const Trainable& each : init.adapter->trainables()) count += each.tensor.numel();
    EXPECT_EQ(count, 5 + bases_[i].out_features());
  }
}

TEST_F(VeraLayers, DropoutActsOnTheBranchAlone) {
  const VeraConfig config{.rank = 5, .dropout = 0.5};
  LayerSite site{names_[0], bases_[0], 1};
  site.state = state();
  const AdapterInit init = make_adapter(config, site);
  const at::Tensor x = seeded({7, 20}, 6);
  init.adapter->begin_micro_batch(true, 3);
  // λ_b is zero, so that only the base's product is left.
  EXPECT_TRUE(at::equal(init.adapter->forward(x, bases_[0]).detach(), bases_[0].matmul(x)));
  init.adapter->trainables()[0].tensor.detach().fill_(1);
  const at::Tensor with = init.adapter->forward(x, bases_[0]).detach();
  init.adapter->begin_micro_batch(false, 0);
  EXPECT_GT((with - init.adapter->forward(x, bases_[0]).detach()).abs().max().item<double>(), 1e-2);
}

// What is wrong with a file of PEFT whose trained tensors have these shapes.
template <class Config>
std::string problem_of(const Json& json, const std::vector<std::int64_t>& shape) {
  std::vector<std::string> warnings;
  PeftKeys keys(json, "adapter_config.json", warnings, [&](const std::string&) { return shape; });
  keys.ignore({"peft_type"});
  EXPECT_TRUE(read_peft(keys, std::type_identity<Config>{}).has_value());
  try {
    keys.finish();
  } catch (const FileError& error) {
    return error.what();
  }
  return "";
}

// Sizes of files are compared before tensors of them are made.
TEST(PeftFiles, SizesThatTheWeightsBelieAreRefused) {
  using ::testing::HasSubstr;
  Json vera = {{"peft_type", "VERA"}, {"r", 100000000}};
  EXPECT_THAT(problem_of<VeraConfig>(vera, {8}), HasSubstr("r must be 8, the length"));
  vera["r"] = 8;
  EXPECT_EQ(problem_of<VeraConfig>(vera, {8}), "");
  Json tiny = {{"peft_type", "TINYLORA"}, {"r", 2}, {"u", 100000000}};
  EXPECT_THAT(problem_of<TinyloraConfig>(tiny, {64, 2, 2}), HasSubstr("u must be 64, the number"));
  tiny["u"] = 64;
  EXPECT_EQ(problem_of<TinyloraConfig>(tiny, {64, 2, 2}), "");
}

}  // namespace vera_test
}  // namespace svtune
