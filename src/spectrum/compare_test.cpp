// Figures of changed weights against numpy, and on changes whose answers are known.
#include "spectrum/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "adapters/lora/lora.h"
#include "adapters/svft/svft.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/oracle_test_util.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"
#include "linalg/svd.h"

namespace svtune {
namespace compare_test {

at::Tensor gaussian(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  return at::randn({rows, columns}, at::detail::createCPUGenerator(seed), at::kFloat);
}

UpdateFigures figures(const at::Tensor& weight, const WeightChange& change,
                      const CompareOptions& options = {}) {
  return compare_weight(weight, {change}, options).at(0).value();
}

void write_raw(const std::filesystem::path& path, const at::Tensor& matrix) {
  const at::Tensor dense = matrix.to(at::kFloat).contiguous();
  std::ofstream(path, std::ios::binary)
      .write(static_cast<const char*>(dense.const_data_ptr()),
             static_cast<std::streamsize>(dense.nbytes()));
}

// Definitions of 2410.21228 and of Roy and Vetterli in a few lines of numpy, all in fp64.
constexpr char kNumpy[] = R"(
import sys, json, numpy as np
folder, rows, columns, rank, top, threshold = sys.argv[1], *map(int, sys.argv[2:6]), float(sys.argv[6])
read = lambda n: np.fromfile(folder + "/" + n, np.float32).reshape(rows, columns).astype(np.float64)
W, D = read("weight"), read("change")
U, s, Vt = np.linalg.svd(W, full_matrices=False)
Uc, sc, _ = np.linalg.svd(W + D, full_matrices=False)
sd = np.linalg.svd(D, compute_uv=False)
p = sd / sd.sum(); p = p[p > 0]
cos = np.abs(Uc.T @ U).max(axis=1)[:top]
part = ((U.T @ D) ** 2).sum(1) + ((D @ Vt.T) ** 2).sum(0)
part /= 2 * (D ** 2).sum()
n = len(s)
print(json.dumps({"rank": float(np.exp(-(p * np.log(p)).sum())), "cosines": cos.tolist(),
  "intruders": int((cos < threshold).sum()), "drift": float(np.linalg.norm(sc - s) / np.linalg.norm(s)),
  "leading": part[:rank].sum(), "principal": part[:n // 3].sum(), "medium": part[n // 3:n - n // 3].sum(),
  "minor": part[n - n // 3:].sum(), "norm": float(np.linalg.norm(D) / np.linalg.norm(W))}))
)";

void expect_numpys(const at::Tensor& weight, const WeightChange& change,
                   const CompareOptions& options) {
  const std::string python = test::oracle_python("numpy");
  if (python.empty()) GTEST_SKIP() << "no Python with numpy";
  const test::TempDirectory folder;
  write_raw(folder / "weight", weight);
  write_raw(folder / "change", change.change);
  const Json oracle =
      parse_json(test::run_oracle(python, kNumpy,
                                  {folder.path().string(), std::to_string(weight.size(0)),
                                   std::to_string(weight.size(1)), std::to_string(options.rank),
                                   std::to_string(options.top), std::to_string(options.threshold)}),
                 "numpy");
  const UpdateFigures got = figures(weight, change, options);
  // fp32 decompositions; cosines of nearly equal singular values are the most sensitive.
  EXPECT_NEAR(got.effective_rank, oracle.at("rank").get<double>(), 2e-3 * got.effective_rank);
  ASSERT_EQ(got.cosines.size(), oracle.at("cosines").size());
  for (std::size_t i = 0; i < got.cosines.size(); ++i) {
    EXPECT_NEAR(got.cosines[i], oracle.at("cosines")[i].get<double>(), 2e-4) << i;
  }
  EXPECT_EQ(got.intruders, oracle.at("intruders").get<std::int64_t>());
  EXPECT_NEAR(got.drift, oracle.at("drift").get<double>(), 1e-5);
  EXPECT_NEAR(got.shares.leading, oracle.at("leading").get<double>(), 1e-4);
  EXPECT_NEAR(got.shares.principal, oracle.at("principal").get<double>(), 1e-4);
  EXPECT_NEAR(got.shares.medium, oracle.at("medium").get<double>(), 1e-4);
  EXPECT_NEAR(got.shares.minor, oracle.at("minor").get<double>(), 1e-4);
  EXPECT_NEAR(got.shares.relative_norm, oracle.at("norm").get<double>(), 1e-5);
}

WeightChange thin(std::int64_t rows, std::int64_t columns, std::int64_t rank, double size) {
  const LowRankDelta factors{gaussian(rank, columns, 11), gaussian(rows, rank, 12), size};
  return {at::mm(factors.up, factors.down) * size, factors};
}

TEST(Compare, FiguresAreNumpysForThinAndDenseChanges) {
  for (const auto& [rows, columns] : {std::pair{90, 60}, std::pair{48, 80}}) {
    const at::Tensor weight = gaussian(rows, columns, 1);
    expect_numpys(weight, thin(rows, columns, 3, 0.4), {.rank = 5, .top = 8});
    expect_numpys(weight, {gaussian(rows, columns, 2) * 0.05, {}}, {.rank = 5, .top = 12});
  }
}

// A strong direction that W has no vector near to takes the first place (and turns those behind
// it); a weak one none.
TEST(Compare, StrongForeignDirectionIsOneIntruder) {
  const at::Tensor weight = gaussian(120, 80, 3);
  const double largest = full_svd(weight).S[0].item<double>();
  const at::Tensor u = gaussian(120, 1, 4), v = gaussian(1, 80, 5);
  const double length = u.norm().item<double>() * v.norm().item<double>();
  const auto rank_one = [&](double sigma) {
    return WeightChange{at::mm(u, v) * (sigma / length), LowRankDelta{v, u, sigma / length}};
  };
  const UpdateFigures strong = figures(weight, rank_one(5 * largest), {.top = 1});
  EXPECT_EQ(strong.intruders, 1);
  EXPECT_LT(strong.cosines[0], 0.5);
  EXPECT_NEAR(strong.effective_rank, 1, 1e-6);
  const UpdateFigures weak = figures(weight, rank_one(1e-3 * largest));
  EXPECT_EQ(weak.intruders, 0);
  EXPECT_GT(weak.lowest_cosine(), 0.99);
}

// SVFT's plain form moves singular values and no vector.
TEST(Compare, ChangeAlongWsOwnDirectionsHasNoIntruder) {
  const at::Tensor weight = gaussian(60, 60, 6);
  const ThinSvd svd = full_svd(weight);
  const at::Tensor change = at::mm(svd.U * (svd.S * 0.1), svd.V.t());
  const UpdateFigures got = figures(weight, {change, {}}, {.top = 60});
  EXPECT_EQ(got.intruders, 0);
  EXPECT_GT(got.lowest_cosine(), 0.999);
  EXPECT_NEAR(got.drift, 0.1, 1e-5);
}

TEST(Compare, NoChangeIsNoTrouble) {
  const at::Tensor weight = gaussian(30, 20, 7);
  const UpdateFigures zero = figures(weight, {at::zeros({30, 20}), {}});
  EXPECT_EQ(zero.effective_rank, 0);
  EXPECT_EQ(zero.drift, 0);
  EXPECT_EQ(zero.intruders, 0);
  EXPECT_FALSE(compare_weight(weight, {WeightChange{}}, {}).at(0).has_value());
}

template <class Config>
void attach_to(Network& net, const Config& config, const std::string& end, std::uint64_t seed) {
  for (Linear* layer : net.linears()) {
    if (!layer->name().ends_with(end)) continue;
    layer->attach(make_adapter(config, {layer->name(), layer->base(), seed}).adapter);
    for (const Trainable& each : layer->adapter()->trainables()) {
      const at::NoGradGuard no_grad;
      each.tensor.detach().normal_(0, 0.1, at::detail::createCPUGenerator(seed));
    }
    layer->adapter()->refresh(layer->base());
  }
}

// Models, adapters of several methods, and layers that only some of them change.
TEST(Compare, CandidatesAreComparedLayerByLayer) {
  const test::TempDirectory folder;
  test::write_tiny_model(folder / "base", {.layers = 2});
  test::write_tiny_model(folder / "other", {.layers = 2, .hidden_size = 64});
  Model base = load_model(folder / "base"), lora = load_model(folder / "base"),
        svft = load_model(folder / "base"), whole = load_model(folder / "base");
  attach_to(*lora.net, LoraConfig{.low_rank = {.rank = 2}}, "q_proj", 1);
  attach_to(*svft.net, SvftConfig{}, "down_proj", 2);
  for (Linear* layer : whole.net->linears()) {
    if (layer == &whole.net->head()) continue;
    layer->replace_base(BaseWeight(layer->base().dense() * 1.5));
  }
  const auto only = compare_weights(base, {{&lora}, {&svft}}, {});
  ASSERT_EQ(only.size(), 4u);  // two kinds in two layers
  for (const ComparedLayer& layer : only) {
    EXPECT_EQ(layer.updates.at(0).has_value(), layer.name.ends_with("q_proj"));
    EXPECT_EQ(layer.updates.at(1).has_value(), layer.name.ends_with("down_proj"));
  }
  EXPECT_NEAR(only[0].updates[0]->effective_rank, 1.5, 0.5);  // between 1 and the rank
  const auto all = compare_weights(base, {{&whole, true}}, {});
  ASSERT_EQ(all.size(), 14u);
  for (const ComparedLayer& layer : all) EXPECT_NEAR(layer.updates.at(0)->drift, 0.5, 1e-5);
  const Model other = load_model(folder / "other");
  EXPECT_THROW(compare_weights(base, {{&other, true}}, {}), ModelError);
}

TEST(Compare, EntriesThatAreNotFiniteAreRefused) {
  at::Tensor change = gaussian(20, 10, 8);
  change[3][4] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(figures(gaussian(20, 10, 9), {change, {}}), ModelError);
}

}  // namespace compare_test
}  // namespace svtune
