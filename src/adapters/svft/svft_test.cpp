// SVFT as a method: start, merge, patterns, reload.
#include "adapters/svft/svft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "adapters/svft/positions.h"
#include "adapters/svft/svft_adapter.h"
#include "base/errors.h"
#include "libtorch/prelude.h"
#include "nn/linear.h"

namespace svtune {
namespace svft_test {

using ::testing::AllOf;
using ::testing::HasSubstr;

at::Tensor seeded(at::IntArrayRef shape, std::uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::kDouble);
}

const std::string kLayer = "model.layers.3.mlp.up_proj";

std::unique_ptr<Adapter> made(const SvftConfig& config, const BaseWeight& base) {
  return make_adapter(config, {kLayer, base, 77}).adapter;
}

void set_values(Adapter& adapter, double deviation, std::uint64_t seed = 9) {
  const at::NoGradGuard no_grad;
  for (const Trainable& each : adapter.trainables()) {
    each.tensor.detach().copy_(seeded(each.tensor.sizes(), seed) * deviation);
  }
  adapter.refresh({});
}

double distance(const at::Tensor& got, const at::Tensor& expected) {
  const at::Tensor exact = expected.to(at::kDouble);
  return ((got.to(at::kDouble) - exact).norm() / exact.norm()).item<double>();
}

// Copies all state by name, as the file code does.
void transfer(Adapter& from, Adapter& to, const BaseWeight& base = {}) {
  const at::NoGradGuard no_grad;
  const auto source = from.frozen_state(), target = to.frozen_state();
  ASSERT_EQ(source.size(), target.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    ASSERT_EQ(source[i].name, target[i].name);
    ASSERT_EQ(source[i].tensor.sizes(), target[i].tensor.sizes());
    target[i].tensor.detach().copy_(source[i].tensor);
  }
  const auto leaves = from.trainables(), into = to.trainables();
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    into[i].tensor.detach().copy_(leaves[i].tensor);
  }
  to.refresh(base);
}

SvftConfig config_of(SvftPattern pattern, std::int64_t bandwidth, std::int64_t basis_rank = 0) {
  SvftConfig config;
  config.basis = SvftBasisStorage::kStored;
  config.pattern = pattern;
  config.bandwidth = bandwidth;
  config.basis_rank = basis_rank;
  return config;
}

// Every pattern, whole and truncated, square and not.
std::vector<std::pair<SvftConfig, at::Tensor>> all_cases() {
  const at::Tensor square = seeded({60, 60}, 1) * 0.1, tall = seeded({90, 60}, 2) * 0.1;
  std::vector<std::pair<SvftConfig, at::Tensor>> cases;
  for (const std::int64_t rank : {0, 20}) {
    cases.emplace_back(config_of(SvftPattern::kPlain, 0, rank), tall);
    cases.emplace_back(config_of(SvftPattern::kBanded, 4, rank), tall.t().contiguous());
    cases.emplace_back(config_of(SvftPattern::kRandom, 3, rank), tall);
    cases.emplace_back(config_of(SvftPattern::kTopK, 2, rank), square);
  }
  return cases;
}

// The factored form carries the rounding of its factors and of what lies between them, the others
// none: bf16 rounds by 1.7e-3, U and V, x V, and both sides.
TEST(Svft, StartsAtTheBase) {
  for (const auto& [config, weight] : all_cases()) {
    for (const auto dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
      const BaseWeight base(weight.to(dtype));
      const auto adapter = made(config, base);
      const at::Tensor x = seeded({7, weight.size(1)}, 3).to(dtype);
      const at::Tensor y = adapter->forward(x, base).detach();
      const bool factored = config.basis_rank == 0 && dtype != at::kDouble;
      EXPECT_LT(distance(y, base.matmul(x)), !factored ? 1e-15 : dtype == at::kFloat ? 2e-6 : 6e-3);
      EXPECT_TRUE(adapter->merged_weight(base).equal(base.dense_high_precision()));
    }
  }
}

// With --product delta W stays in the product, and the start is exact.
TEST(Svft, ReadsTheBaseWhereItsFactorsDoNotStandForIt) {
  const at::Tensor weight = seeded({90, 60}, 2) * 0.1;
  const BaseWeight exact(weight.to(at::kFloat)), base(weight.to(at::kBFloat16));
  SvftConfig config = config_of(SvftPattern::kBanded, 3);
  EXPECT_FALSE(made(config, exact)->memory(64).reads_base);
  config.basis_rank = 20;
  EXPECT_TRUE(made(config, base)->memory(64).reads_base);
  config.basis_rank = 0;
  config.product = SvftProduct::kDelta;
  const auto adapter = made(config, base);
  EXPECT_TRUE(adapter->memory(64).reads_base);
  const at::Tensor x = seeded({7, 60}, 3).to(at::kBFloat16);
  EXPECT_TRUE(adapter->forward(x, base).equal(base.matmul(x)));
}

// What start_exactly() finds for one layer is what an adapter is loaded with again.
TEST(Svft, LayersThatAreNamedReadTheBase) {
  const BaseWeight base((seeded({90, 60}, 2) * 0.1).to(at::kBFloat16));
  const at::Tensor x = seeded({7, 60}, 3).to(at::kBFloat16);
  SvftConfig config = config_of(SvftPattern::kBanded, 3);
  Linear first(kLayer, base), second("model.layers.4.mlp.up_proj", base);
  for (Linear* layer : {&first, &second}) layer->attach(made(config, base));
  EXPECT_TRUE(traits(config).starts_near);
  EXPECT_FALSE(start_exactly(config, {}));
  EXPECT_TRUE(start_exactly(config, {&first}));
  EXPECT_FALSE(start_exactly(config, {&first}));
  EXPECT_THAT(config.delta_layers, ::testing::ElementsAre(kLayer));
  EXPECT_TRUE(first.forward(x).equal(base.matmul(x)));
  EXPECT_FALSE(second.adapter()->memory(64).reads_base);
  const auto again = [&](const std::string& name) {
    return make_empty_adapter(config, {name, base, 77}).adapter;
  };
  for (Linear* layer : {&first, &second}) {
    const auto loaded = again(layer->name());
    transfer(*layer->adapter(), *loaded, base);
    EXPECT_TRUE(loaded->forward(x, base).equal(layer->forward(x))) << layer->name();
    EXPECT_EQ(loaded->memory(64).reads_base, layer == &first);
  }
  config.delta_layers = {"mlp.up_proj"};
  EXPECT_TRUE(again(second.name())->memory(64).reads_base);
  config.product = SvftProduct::kDelta;
  EXPECT_FALSE(traits(config).starts_near);
}

// Two roundings of 1.7e-3 each, on any matrix; another basis does not stand for it.
TEST(Svft, FactorsInBf16StandForTheWeightToTheirRounding) {
  const at::Tensor weight = (seeded({300, 200}, 21) * 0.1).to(at::kBFloat16);
  const BaseWeight base(weight);
  const auto [U, S, Vh] = at::linalg_svd(weight.to(at::kDouble), /*full_matrices=*/false);
  const SvftBasis basis{BaseWeight(U.t().to(at::kBFloat16).contiguous()),
                        BaseWeight(Vh.to(at::kBFloat16)), S.to(at::kFloat)};
  const double error = basis_error(basis, base);
  EXPECT_GT(error, 2e-3);
  EXPECT_LT(error, 3e-3);
  EXPECT_TRUE(stands_for(basis, base));
  EXPECT_FALSE(stands_for({basis.Uh, BaseWeight(basis.Vh.dense().flip(0)), basis.sigma}, base));
  EXPECT_FALSE(made(config_of(SvftPattern::kBanded, 3), base)->memory(64).reads_base);
}

// U and V beside M in fewer bits: a quantised basis leaves W in the product, one in bf16 under fp32
// stands for it; what M does is that of the basis as it is held.
TEST(Svft, HoldsItsBasisInFewerBits) {
  const at::Tensor weight = (seeded({96, 128}, 22) * 0.1).to(at::kBFloat16);
  struct Case {
    SvftBasisDtype held;
    at::ScalarType compute;
    double bytes;  // of an entry of U or V
  };
  SvftConfig config = config_of(SvftPattern::kBanded, 3);
  config.basis = SvftBasisStorage::kRecompute;
  for (const Case& each : {Case{SvftBasisDtype::kProducts, at::kFloat, 4.0},
                           Case{SvftBasisDtype::kBf16, at::kFloat, 2.0},
                           Case{SvftBasisDtype::kProducts, at::kBFloat16, 2.0},
                           Case{SvftBasisDtype::kInt8, at::kBFloat16, 1.0},
                           Case{SvftBasisDtype::kNf4, at::kBFloat16, 0.5},
                           Case{SvftBasisDtype::kInt8, at::kFloat, 1.0}}) {
    config.basis_dtype = each.held;
    const BaseWeight base(weight, each.compute);
    const auto adapter = made(config, base);
    const bool quantized = each.bytes < 2;
    EXPECT_EQ(adapter->memory(64).reads_base, quantized);
    // The entries, and scales: 4 bytes a direction of int8, a block of 64 of NF4, whose map has 64.
    const double entries = 96.0 * (96 + 128);
    const double held = static_cast<double>(adapter->memory(64).held_bytes) -
                        28.0 * static_cast<double>(adapter->trainables()[0].tensor.numel());
    EXPECT_GE(held, each.bytes * entries);
    EXPECT_LE(held, (each.bytes + (each.bytes < 1 ? 0.07 : 0.04)) * entries);
    const at::Tensor x = seeded({40, 128}, 3).to(each.compute);
    const at::Tensor start = adapter->forward(x, base).detach();
    // Roundings of U, V and, in bf16, of what lies between and of both sides.
    EXPECT_LT(distance(start, base.matmul(x)), quantized ? 1e-15 : 6e-3);
    set_values(*adapter, 0.3);
    const at::Tensor merged = adapter->merged_weight(base).to(at::kDouble);
    EXPECT_GT(distance(merged, weight), 1e-2);
    EXPECT_LT(distance(adapter->forward(x, base).detach(), at::mm(x.to(at::kDouble), merged.t())),
              8e-3);
    const auto loaded = make_empty_adapter(config, {kLayer, base, 77}).adapter;
    transfer(*adapter, *loaded, base);
    EXPECT_TRUE(loaded->forward(x, base).equal(adapter->forward(x, base)));
  }
}

TEST(Svft, OnlyMAndTheGateGetGradients) {
  for (auto [config, weight] : all_cases()) {
    config.gate = true;
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      const BaseWeight base(weight.to(dtype));
      const auto adapter = made(config, base);
      set_values(*adapter, 0.1);
      const at::Tensor x = seeded({5, weight.size(1)}, 3).to(dtype);
      adapter->forward(x, base).to(at::kFloat).square().sum().backward();
      for (const Trainable& each : adapter->trainables()) {
        ASSERT_TRUE(each.tensor.is_leaf() && each.tensor.requires_grad()) << each.name;
        EXPECT_EQ(each.tensor.scalar_type(), at::kFloat);
        EXPECT_GT(each.tensor.grad().norm().item<double>(), 0) << each.name;
      }
      for (const NamedTensor& each : adapter->frozen_state()) {
        EXPECT_FALSE(each.tensor.requires_grad()) << each.name;
      }
      EXPECT_FALSE(base.dense().grad().defined());
    }
  }
}

// bf16: both sides round outputs of size 1 to 8 bits; the merged weight is fp32.
TEST(Svft, MergedWeightEqualsForward) {
  for (const auto& [config, weight] : all_cases()) {
    for (const auto& [dtype, tolerance] :
         {std::pair{at::kDouble, 1e-12}, std::pair{at::kFloat, 5e-6},
          std::pair{at::kBFloat16, 8e-3}}) {
      const BaseWeight base(weight.to(dtype));
      const auto adapter = made(config, base);
      set_values(*adapter, 0.3);
      const at::Tensor x = seeded({40, weight.size(1)}, 4).to(dtype);
      const at::Tensor merged = adapter->merged_weight(base).to(at::kDouble);
      EXPECT_GT(distance(merged, base.dense()), 1e-2);
      EXPECT_LT(distance(adapter->forward(x, base).detach(), at::mm(x.to(at::kDouble), merged.t())),
                tolerance);
    }
  }
}

TEST(Svft, CountsEqualTheFormulaAndBoundTheRank) {
  for (const auto& [config, weight] : all_cases()) {
    const BaseWeight base(weight.to(at::kFloat));
    const auto adapter = made(config, base);
    const std::int64_t n = config.basis_rank == 0 ? 60 : config.basis_rank;
    const std::int64_t d = config.pattern == SvftPattern::kPlain ? 0 : config.bandwidth;
    const std::int64_t count = n * (2 * d + 1) - d * (d + 1);
    EXPECT_EQ(adapter->trainables().at(0).tensor.numel(), count);
    EXPECT_EQ(svft_count(config, n), count);
    set_values(*adapter, 0.5);
    const at::Tensor delta = adapter->merged_weight(base) - base.dense();
    const at::Tensor sigma = std::get<1>(at::linalg_svd(delta.to(at::kDouble), false));
    EXPECT_LE(sigma.gt(1e-5 * sigma[0].item<double>()).sum().item<std::int64_t>(),
              std::min(count, n));
  }
}

TEST(Svft, PlainKeepsSingularVectorsAndShiftsValues) {
  const at::Tensor weight = seeded({50, 40}, 5);
  const BaseWeight base(weight.to(at::kFloat));
  const auto adapter = made(config_of(SvftPattern::kPlain, 0), base);
  const auto [U, S, Vh] = at::linalg_svd(base.dense().to(at::kDouble), false);
  set_values(*adapter, 0.7);
  const at::Tensor m = adapter->trainables()[0].tensor.detach().to(at::kDouble);
  const at::Tensor merged = adapter->merged_weight(base).to(at::kDouble);
  const at::Tensor core = at::mm(at::mm(U.t(), merged), Vh.t());
  EXPECT_LT((core - (S + m).diag()).abs().max().item<double>(), 2e-5);
  const at::Tensor shifted = std::get<1>(at::linalg_svd(merged, false));
  EXPECT_LT((shifted - std::get<0>((S + m).abs().sort(0, true))).abs().max().item<double>(), 2e-5);
}

// For a square weight a full M reaches any target: M = Uᵀ(P - W)V.
TEST(Svft, FullBandReachesAnyTarget) {
  const at::Tensor weight = seeded({24, 24}, 6), target = seeded({24, 24}, 7);
  const BaseWeight base(weight.to(at::kFloat));
  const auto adapter = made(config_of(SvftPattern::kBanded, 23), base);
  at::Tensor U, V;
  for (const NamedTensor& each : adapter->frozen_state()) {
    if (each.name == "svft_U") U = each.tensor;
    if (each.name == "svft_V") V = each.tensor;
  }
  const at::Tensor M = at::mm(at::mm(U.t(), target.to(at::kFloat) - base.dense()), V);
  adapter->trainables()[0].tensor.detach().copy_(M.flatten());
  adapter->refresh(base);
  EXPECT_LT(distance(adapter->merged_weight(base), target), 1e-5);
}

TEST(Svft, TruncatedBasisKeepsTheRestAndIsLowRank) {
  const BaseWeight base((seeded({64, 80}, 8) * 0.1).to(at::kFloat));
  const auto adapter = made(config_of(SvftPattern::kBanded, 2, 10), base);
  set_values(*adapter, 0.2);
  const auto delta = adapter->low_rank_delta();
  ASSERT_TRUE(delta.has_value());
  EXPECT_EQ(delta->down.size(0), 10);
  EXPECT_LT(distance(base.dense() + delta->scale * at::mm(delta->up, delta->down),
                     adapter->merged_weight(base)),
            1e-6);
  EXPECT_FALSE(made(config_of(SvftPattern::kBanded, 2), base)->low_rank_delta().has_value());
}

TEST(Svft, GateStartsHalfOpenAndScales) {
  SvftConfig config = config_of(SvftPattern::kBanded, 1);
  config.gate = true;
  const BaseWeight base(seeded({30, 20}, 9).to(at::kFloat));
  const auto gated = made(config, base);
  config.gate = false;
  const auto plain = made(config, base);
  ASSERT_EQ(gated->trainables().size(), 2u);
  EXPECT_EQ(gated->trainables()[1].name, "svft_gate");
  const at::Tensor values = seeded({58}, 10);
  gated->trainables()[0].tensor.detach().copy_(values);
  plain->trainables()[0].tensor.detach().copy_(values * 0.5);
  gated->refresh(base);
  plain->refresh(base);
  EXPECT_LT(distance(gated->merged_weight(base), plain->merged_weight(base)), 1e-7);
}

TEST(Svft, SeedDecidesRandomPositions) {
  const BaseWeight base(seeded({20, 20}, 11).to(at::kFloat));
  const SvftConfig config = config_of(SvftPattern::kRandom, 2);
  const auto positions = [&](std::uint64_t seed) {
    return make_adapter(config, {kLayer, base, seed}).adapter->frozen_state().back().tensor.clone();
  };
  EXPECT_TRUE(positions(1).equal(positions(1)));
  EXPECT_FALSE(positions(1).equal(positions(2)));
}

TEST(Svft, ReloadsToTheSameBits) {
  for (auto [config, weight] : all_cases()) {
    for (const auto storage : {SvftBasisStorage::kStored, SvftBasisStorage::kRecompute}) {
      for (const auto dtype : {at::kFloat, at::kBFloat16}) {
        config.basis = storage;
        const BaseWeight base(weight.to(dtype));
        const auto trained = made(config, base);
        set_values(*trained, 0.3);
        const auto loaded = make_empty_adapter(config, {kLayer, base, 77}).adapter;
        transfer(*trained, *loaded);
        const at::Tensor x = seeded({6, weight.size(1)}, 12).to(dtype);
        EXPECT_TRUE(loaded->forward(x, base).equal(trained->forward(x, base)));
        EXPECT_TRUE(loaded->merged_weight(base).equal(trained->merged_weight(base)));
      }
    }
  }
}

// A basis stored by a bf16 run cannot stand for an fp32 weight: the factored form would be
// wrong by 3e-3, so it must not be chosen.
TEST(Svft, BasisOfABf16RunServesAnFp32Base) {
  const SvftConfig config = config_of(SvftPattern::kBanded, 2);
  const at::Tensor weight = (seeded({50, 50}, 13) * 0.1).to(at::kBFloat16);
  const BaseWeight half(weight), single(weight.to(at::kFloat));
  const auto trained = made(config, half);
  set_values(*trained, 0.1);
  const auto loaded = make_empty_adapter(config, {kLayer, single, 77}).adapter;
  transfer(*trained, *loaded);
  const at::Tensor x = seeded({5, 50}, 14).to(at::kFloat);
  EXPECT_LT(
      distance(loaded->forward(x, single).detach(), at::mm(x, trained->merged_weight(half).t())),
      2e-6);
}

TEST(Svft, RecomputedBasisWithAnotherSignIsRefused) {
  SvftConfig config = config_of(SvftPattern::kBanded, 2);
  config.basis = SvftBasisStorage::kRecompute;
  const BaseWeight base(seeded({30, 25}, 15).to(at::kFloat));
  const BaseWeight other(seeded({30, 25}, 16).to(at::kFloat));
  const auto trained = made(config, base);
  set_values(*trained, 0.1);
  const auto loaded = make_empty_adapter(config, {kLayer, other, 77}).adapter;
  std::string message;
  try {
    transfer(*trained, *loaded);
  } catch (const ModelError& error) {
    message = error.what();
  }
  EXPECT_THAT(message, AllOf(HasSubstr(kLayer), HasSubstr("not the one")));
}

// Values of a weight that is stored in fp32, trained in bf16: the basis is that of what bf16 holds.
TEST(Svft, RecomputedBasisOfABf16RunServesAnFp32Base) {
  SvftConfig config = config_of(SvftPattern::kRandom, 2);
  config.basis = SvftBasisStorage::kRecompute;
  const at::Tensor weight = (seeded({70, 50}, 13) * 0.1).to(at::kFloat);
  const BaseWeight half(weight.to(at::kBFloat16)), single(weight);
  const auto trained = made(config, half);
  set_values(*trained, 0.1);
  const auto loaded = make_empty_adapter(config, {kLayer, single, 77}).adapter;
  transfer(*trained, *loaded, single);
  const at::Tensor change = loaded->merged_weight(single) - weight;
  EXPECT_LT(distance(change, trained->merged_weight(half) - half.dense_high_precision()), 4e-3);
  // The other way the weight that was decomposed is not there any more.
  const auto exact = made(config, single);
  set_values(*exact, 0.1);
  const auto rounded = make_empty_adapter(config, {kLayer, half, 77}).adapter;
  EXPECT_THROW(transfer(*exact, *rounded, half), ModelError);
}

// What bf16 holds is decomposed alike in both dtypes.
TEST(Svft, RecomputedBasisIsTheSameInFp32AndBf16) {
  SvftConfig config = config_of(SvftPattern::kBanded, 2);
  config.basis = SvftBasisStorage::kRecompute;
  const at::Tensor weight = (seeded({70, 90}, 13) * 0.1).to(at::kBFloat16);
  const BaseWeight half(weight), single(weight.to(at::kFloat));
  const at::Tensor left = made(config, half)->frozen_state()[0].tensor;
  EXPECT_TRUE(left.equal(made(config, single)->frozen_state()[0].tensor));
}

TEST(Svft, RecomputedBasisStoresNothingThatFollows) {
  for (const auto& [pattern, tensors] :
       {std::pair{SvftPattern::kPlain, 1}, std::pair{SvftPattern::kRandom, 1},
        std::pair{SvftPattern::kTopK, 2}}) {
    SvftConfig config = config_of(pattern, 2);
    config.basis = SvftBasisStorage::kRecompute;
    const BaseWeight base((seeded({60, 60}, 1) * 0.1).to(at::kFloat));
    const std::vector<NamedTensor> kept = made(config, base)->frozen_state();
    ASSERT_EQ(kept.size(), tensors);
    EXPECT_EQ(kept[0].name, "svft_probe");
    EXPECT_EQ(kept[0].tensor.numel(), 16);
  }
}

// A rehearsal decomposes nothing, be it possible or not.
TEST(Svft, ShapesAloneAreNotDecomposed) {
  SvftConfig config = config_of(SvftPattern::kTopK, 2);
  config.basis = SvftBasisStorage::kRecompute;
  const BaseWeight base(at::full({30, 30}, std::nan("")).to(at::kFloat));
  LayerSite site{kLayer, base, 77};
  EXPECT_THROW(make_empty_adapter(config, site), ModelError);
  site.shapes_only = true;
  const auto adapter = make_empty_adapter(config, site).adapter;
  adapter->refresh(base);
  EXPECT_EQ(adapter->forward(at::ones({2, 30}), base).sizes(), at::IntArrayRef({2, 30}));
}

TEST(Svft, DamagedPositionsAreRefused) {
  const SvftConfig config = config_of(SvftPattern::kRandom, 1);
  const BaseWeight base(seeded({12, 12}, 17).to(at::kFloat));
  const auto trained = made(config, base);
  for (const int damage : {0, 1, 2}) {
    const auto loaded = make_empty_adapter(config, {kLayer, base, 77}).adapter;
    at::Tensor positions = trained->frozen_state().back().tensor;
    const at::Tensor kept = positions.clone();
    if (damage == 0) positions[0][3] = 12;
    if (damage == 1) positions[1][3] = -1;
    if (damage == 2) positions.select(1, 3).copy_(positions.select(1, 4));
    EXPECT_THROW(transfer(*trained, *loaded), ModelError) << damage;
    positions.copy_(kept);
  }
}

TEST(Svft, ImpossibleLayersAreRefusedByName) {
  const BaseWeight tall(seeded({30, 20}, 18).to(at::kFloat));
  const auto message = [&](const SvftConfig& config) -> std::string {
    std::string texts;
    for (const bool empty : {false, true}) {
      try {
        const LayerSite site{kLayer, tall, 1};
        empty ? make_empty_adapter(config, site) : make_adapter(config, site);
      } catch (const ModelError& error) {
        texts += error.what();
      }
    }
    return texts;
  };
  EXPECT_THAT(message(config_of(SvftPattern::kTopK, 2)),
              AllOf(HasSubstr(kLayer), HasSubstr("square"), HasSubstr("[30, 20]")));
  EXPECT_THAT(message(config_of(SvftPattern::kBanded, 2, 21)),
              AllOf(HasSubstr(kLayer), HasSubstr("basis rank 21"), HasSubstr("1 to 20")));
  EXPECT_THAT(message(config_of(SvftPattern::kRandom, 20)),
              AllOf(HasSubstr(kLayer), HasSubstr("bandwidth 20"), HasSubstr("0 to 19")));
  at::Tensor broken = seeded({8, 8}, 19).to(at::kFloat);
  broken[2][3] = std::nan("");
  const BaseWeight nan_base(broken);
  try {
    make_adapter(config_of(SvftPattern::kPlain, 0), {kLayer, nan_base, 1});
    FAIL() << "accepted a NaN";
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr(kLayer), HasSubstr("row 2, column 3")));
  }
}

}  // namespace svft_test
}  // namespace svtune
