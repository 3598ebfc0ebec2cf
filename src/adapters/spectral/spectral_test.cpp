// What only the methods between singular vectors promise: which vectors, what trains, and how many
// numbers that is. The contract suite has the rest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "adapters/lora_xs/lora_xs.h"
#include "adapters/mica/mica.h"
#include "adapters/milora/milora.h"
#include "adapters/pica/pica.h"
#include "adapters/psoft/psoft.h"
#include "adapters/svf/svf.h"
#include "adapters/svfit/svfit.h"
#include "adapters/tinylora/tinylora.h"
#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace spectral_test {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kLayer = "model.layers.1.up_proj";

at::Tensor seeded(const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kDouble);
}

double largest(const at::Tensor& difference) { return difference.abs().max().item<double>(); }

class Spectral : public ::testing::Test {
 protected:
  const at::Tensor W_ = seeded({14, 10}, 1);
  const BaseWeight base_{W_};
  // The oracle is gesdd in fp64; signs drop out of products.
  at::Tensor U_, S_, Vh_;

  void SetUp() override { std::tie(U_, S_, Vh_) = at::linalg_svd(W_, false); }

  template <class Config>
  std::unique_ptr<Adapter> make(const Config& config) const {
    return make_adapter(config, LayerSite{kLayer, base_, 5}).adapter;
  }
  at::Tensor change(const Adapter& adapter) const { return adapter.merged_weight(base_) - W_; }
};

std::int64_t count(Adapter& adapter) {
  std::int64_t sum = 0;
  for (const Trainable& each : adapter.trainables()) sum += each.tensor.numel();
  return sum;
}

// Triplets are fp32.
constexpr double kSvdTolerance = 2e-5;

TEST_F(Spectral, SvfScalesEachSingularValue) {
  const auto adapter = make(SvfConfig{});
  const at::Tensor c = seeded({10}, 2);
  adapter->trainables()[0].tensor.detach().copy_(c);
  const at::Tensor expected = at::mm(U_ * (S_ * (1 + c)), Vh_);
  EXPECT_LT(largest(adapter->merged_weight(base_) - expected), kSvdTolerance);
  EXPECT_EQ(count(*adapter), 10);
}

TEST_F(Spectral, SvfitMovesTheLeadingSingularValues) {
  const auto adapter = make(SvfitConfig{.rank = 3});
  const at::Tensor c = seeded({3}, 2);
  adapter->trainables()[0].tensor.detach().copy_(c);
  const at::Tensor expected = at::mm(U_.narrow(1, 0, 3) * c, Vh_.narrow(0, 0, 3));
  EXPECT_LT(largest(change(*adapter) - expected), kSvdTolerance);
  EXPECT_EQ(count(*adapter), 3);
}

TEST_F(Spectral, LoraXsBlockStandsBetweenScaledLeftAndRightVectors) {
  const auto adapter = make(LoraXsConfig{.rank = 3});
  adapter->trainables()[0].tensor.detach().copy_(at::eye(3, at::kDouble));
  // The identity gives the principal part itself.
  const at::Tensor part = at::mm(U_.narrow(1, 0, 3) * S_.narrow(0, 0, 3), Vh_.narrow(0, 0, 3));
  EXPECT_LT(largest(change(*adapter) - part), kSvdTolerance);
  // And any block stays within those spaces.
  adapter->trainables()[0].tensor.detach().copy_(seeded({3, 3}, 2));
  const at::Tensor other = change(*adapter), U = U_.narrow(1, 0, 3), V = Vh_.narrow(0, 0, 3);
  EXPECT_LT(largest(other - U.mm(U.t()).mm(other).mm(V.t()).mm(V)), kSvdTolerance);
  EXPECT_EQ(count(*adapter), 9);
}

// Seven kinds of layers in each of Llama-3-8B's 32 blocks: the paper's 3.67 M at rank 128.
TEST_F(Spectral, LoraXsCountIsThePapers) {
  const std::int64_t layers = 7 * 32;
  const at::Tensor wide = seeded({130, 140}, 3);
  const BaseWeight base(wide);
  AdapterInit init = make_adapter(LoraXsConfig{.rank = 128}, LayerSite{kLayer, base, 5});
  EXPECT_EQ(layers * count(*init.adapter), 3'670'016);
}

// The authors' layer is x Wᵀ + (x Pᵀ) Mᵀ with P the first rows of Vᵀ and M [out, r].
TEST_F(Spectral, PicaUpdatesActOnWhatThePrincipalVectorsSeeOfTheInput) {
  const auto adapter = make(PicaConfig{.rank = 3});
  const at::Tensor M = seeded({14, 3}, 2);
  adapter->trainables()[0].tensor.detach().copy_(M);
  const at::Tensor V = Vh_.narrow(0, 0, 3).t(), delta = change(*adapter);
  EXPECT_LT(largest(delta - delta.mm(V).mm(V.t())), kSvdTolerance);
  // Orthonormal rows keep M's length.
  EXPECT_NEAR(delta.norm().item<double>(), M.norm().item<double>(), 1e-5);
  EXPECT_EQ(count(*adapter), 14 * 3);
}

TEST_F(Spectral, PicaUpdatesLieInThePrincipalOutputSpaceWhereThatIsFrozen) {
  const auto adapter = make(PicaConfig{.rank = 3, .frozen_side = PicaSide::kOutputs});
  adapter->trainables()[0].tensor.detach().copy_(seeded({3, 10}, 2));
  const at::Tensor U = U_.narrow(1, 0, 3), delta = change(*adapter);
  EXPECT_LT(largest(delta - U.mm(U.t()).mm(delta)), kSvdTolerance);
  EXPECT_EQ(count(*adapter), 3 * 10);
}

TEST_F(Spectral, MicaUpdatesLieInTheMinorColumnSpace) {
  const auto adapter = make(MicaConfig{.rank = 3, .alpha = 6.0});
  const at::Tensor A = seeded({3, 10}, 2);
  adapter->trainables()[0].tensor.detach().copy_(A);
  const at::Tensor U = U_.narrow(1, 7, 3), delta = change(*adapter);
  EXPECT_LT(largest(delta - U.mm(U.t()).mm(delta)), kSvdTolerance);
  // Orthonormal columns keep A's length; alpha / rank doubles it.
  EXPECT_NEAR(delta.norm().item<double>(), 2 * A.norm().item<double>(), 1e-5);
  EXPECT_EQ(count(*adapter), 3 * 10);
}

TEST_F(Spectral, PsoftTurnsThePrincipalSubspace) {
  const auto adapter = make(PsoftConfig{.rank = 4, .scales = false});
  adapter->trainables()[0].tensor.detach().copy_(seeded({6}, 2));
  // Σ R R' Σ = Σ²: lengths of the part's rows, and angles between them, stay.
  const at::Tensor Ur = U_.narrow(1, 0, 4);
  const at::Tensor part = Ur.t().mm(adapter->merged_weight(base_)), before = Ur.t().mm(W_);
  EXPECT_LT(largest(part.mm(part.t()) - before.mm(before.t())), 1e-3);  // squares of fp32 triplets
  EXPECT_GT(largest(part - before), 0.1);
  EXPECT_EQ(count(*adapter), 6);
  EXPECT_EQ(count(*make(PsoftConfig{.rank = 4})), 6 + 8);
}

TEST_F(Spectral, PsoftScalesActBeforeAndAfterTheTurn) {
  const auto adapter = make(PsoftConfig{.rank = 4});
  const std::vector<Trainable> leaves = adapter->trainables();  // Q, a, b
  const at::Tensor a = seeded({4}, 3), b = seeded({4}, 4);
  leaves[1].tensor.detach().copy_(a);
  leaves[2].tensor.detach().copy_(b);
  const at::Tensor expected =
      at::mm(U_.narrow(1, 0, 4) * (S_.narrow(0, 0, 4) * (a * b - 1)), Vh_.narrow(0, 0, 4));
  EXPECT_LT(largest(change(*adapter) - expected), kSvdTolerance);
}

TEST_F(Spectral, TinyloraIsASumOfFixedRandomUpdates) {
  const auto adapter = make(TinyloraConfig{.rank = 3, .numbers = 5});
  const at::Tensor v = adapter->trainables()[0].tensor.detach();
  const at::Tensor weights = seeded({5}, 2);
  at::Tensor sum = at::zeros_like(W_);
  for (std::int64_t i = 0; i < 5; ++i) {
    v.zero_();
    v[i] = 1;
    EXPECT_GT(largest(change(*adapter)), 1e-2);
    sum += change(*adapter) * weights[i];
  }
  v.copy_(weights);
  EXPECT_LT(largest(change(*adapter) - sum), 1e-12);
  EXPECT_EQ(count(*adapter), 5);
}

// Of layers that have the same weight.
template <class Config>
std::vector<std::unique_ptr<Adapter>> make_layers(const Config& config, const BaseWeight& base,
                                                  const std::vector<std::string>& names) {
  std::vector<LayerSite> sites;
  for (const std::string& name : names) sites.push_back({name, base, 5});
  const std::shared_ptr<MethodState> state = make_state(config, std::span<const LayerSite>(sites));
  std::vector<std::unique_ptr<Adapter>> adapters;
  for (LayerSite& site : sites) {
    site.state = state;
    adapters.push_back(make_adapter(config, site).adapter);
  }
  return adapters;
}

const std::vector<std::string> kLayers = {"layers.0.q_proj", "layers.0.up_proj", "layers.1.q_proj",
                                          "layers.1.up_proj"};

TEST_F(Spectral, LayersOfAKindShareWhatThePaperShares) {
  const auto pica = make_layers(PicaConfig{.rank = 3}, base_, kLayers);
  EXPECT_EQ(count(*pica[0]), 14 * 3);
  EXPECT_EQ(count(*pica[1]), 14 * 3);
  EXPECT_EQ(count(*pica[2]) + count(*pica[3]), 0);
  const auto alone = make_layers(PicaConfig{.rank = 3, .share_kinds = false}, base_, kLayers);
  EXPECT_EQ(count(*alone[3]), 14 * 3);
  const TinyloraConfig all{.rank = 3, .numbers = 5, .tie = TinyloraTie::kAll};
  const auto tied = make_layers(all, base_, kLayers);
  EXPECT_EQ(count(*tied[0]), 5);
  EXPECT_EQ(count(*tied[1]) + count(*tied[2]) + count(*tied[3]), 0);
}

TEST_F(Spectral, ASharedLeafMovesAndLearnsInAllItsLayers) {
  const auto pica = make_layers(PicaConfig{.rank = 3}, base_, kLayers);
  const at::Tensor M = pica[0]->trainables()[0].tensor;
  M.detach().copy_(seeded({14, 3}, 2));
  EXPECT_TRUE(change(*pica[2]).equal(change(*pica[0])));
  EXPECT_EQ(largest(change(*pica[1])), 0);
  const at::Tensor x = seeded({4, 10}, 3);
  pica[0]->forward(x, base_).sum().backward();
  const at::Tensor once = M.grad().clone();
  pica[2]->forward(x, base_).sum().backward();
  EXPECT_LT(largest(M.grad() - 2 * once), 1e-12);
}

TEST_F(Spectral, MiloraStartsFromTheLastTriplets) {
  const auto adapter = make(MiloraConfig{{.rank = 3}});
  const at::Tensor part = at::mm(U_.narrow(1, 7, 3) * S_.narrow(0, 7, 3), Vh_.narrow(0, 7, 3));
  const LowRankDelta start = *adapter->start_in_base();
  EXPECT_LT(largest(at::mm(start.up, start.down) * start.scale - part), kSvdTolerance);
  EXPECT_EQ(count(*adapter), 3 * (14 + 10));
}

TEST_F(Spectral, BehindAFrozenSideTheInputIsNotKept) {
  EXPECT_FALSE(make(LoraXsConfig{.rank = 3})->memory(9).keeps_input);
  EXPECT_EQ(make(LoraXsConfig{.rank = 3})->memory(9).kept_per_token, 3);
  EXPECT_FALSE(make(PicaConfig{.rank = 3})->memory(9).keeps_input);
  EXPECT_TRUE(make(MicaConfig{.rank = 3})->memory(9).keeps_input);
}

TEST_F(Spectral, DropoutActsOnTheBranchAlone) {
  const auto adapter = make(PicaConfig{.rank = 3, .dropout = 0.5});
  const at::Tensor x = seeded({7, 10}, 3);
  adapter->begin_micro_batch(true, 3);
  EXPECT_TRUE(at::equal(adapter->forward(x, base_).detach(), base_.matmul(x)));
  adapter->trainables()[0].tensor.detach().fill_(1);
  const at::Tensor with = adapter->forward(x, base_).detach();
  adapter->begin_micro_batch(false, 0);
  EXPECT_GT(largest(with - adapter->forward(x, base_).detach()), 1e-2);
}

TEST_F(Spectral, RanksThatALayerHasNotAreRefused) {
  try {
    check_layer(LoraXsConfig{.rank = 11}, LayerSite{kLayer, base_, 5});
    FAIL() << "accepted";
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr(kLayer), HasSubstr("[14, 10]"), HasSubstr("1 to 10")));
  }
}

// As the gate of a shared expert, [1, hidden]: no rank would do.
TEST_F(Spectral, ALayerOfOneDirectionIsNotTurned) {
  const BaseWeight row(at::ones({1, 10}));
  try {
    check_layer(PsoftConfig{}, LayerSite{kLayer, row, 5});
    FAIL() << "accepted";
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr(kLayer), HasSubstr("two directions"),
                                    HasSubstr("[1, 10] has one")));
    EXPECT_THAT(error.hint(), HasSubstr("--exclude-modules"));
  }
}

TEST_F(Spectral, FixedMatricesThatNoMemoryHoldsAreRefusedBeforeTheyAreDrawn) {
  const BaseWeight base(at::zeros({1024, 1024}));
  try {
    check_layer(TinyloraConfig{.rank = 1024, .numbers = 65536}, LayerSite{kLayer, base, 5});
    FAIL() << "accepted";
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr(kLayer), HasSubstr("65536 fixed matrices")));
  }
  check_layer(TinyloraConfig{.rank = 1024, .numbers = 1024}, LayerSite{kLayer, base, 5});
}

// A rank that nobody asked for is no reason to refuse a small model.
TEST_F(Spectral, DefaultRanksAreCutToTheLayerAndGivenOnesAreNot) {
  const auto expect_cut = [&](const auto& config) {
    const LayerSite site{kLayer, base_, 5};
    check_layer(config, site);
    EXPECT_EQ(make_adapter(config, site).report["rank"], 10) << config.kName;
    EXPECT_EQ(make_empty_adapter(config, site).report["rank"], 10) << config.kName;
    LayerSite given = site;
    given.rank_given = true;
    EXPECT_THROW(check_layer(config, given), ModelError) << config.kName;
  };
  expect_cut(LoraXsConfig{});
  expect_cut(SvfitConfig{});
  expect_cut(PicaConfig{.share_kinds = false});
  expect_cut(MicaConfig{});
  expect_cut(PsoftConfig{});
  EXPECT_EQ(count(*make_layers(PicaConfig{}, base_, kLayers)[0]), 14 * 10);
}

}  // namespace spectral_test
}  // namespace svtune
