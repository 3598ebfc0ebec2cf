#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/errors.h"
#include "base/json.h"
#include "base/oracle_test_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace optimizer_test {

const std::vector<std::vector<std::int64_t>> kShapes = {{7, 5}, {33}, {3, 4, 2}, {1}};

// Leaf i starts at cos(j) and gets the gradient sin(1 + j + 0.37 step) * (i + 1).
std::vector<Trainable> make_leaves(at::ScalarType dtype) {
  std::vector<Trainable> leaves;
  for (std::size_t i = 0; i < kShapes.size(); ++i) {
    std::int64_t count = 1;
    for (const std::int64_t size : kShapes[i]) count *= size;
    const at::Tensor j = at::arange(count, at::TensorOptions().dtype(at::kDouble));
    const TrainableGroup group{i == 2 ? 4.0 : 1.0, i != 1};
    leaves.push_back({"leaf" + std::to_string(i),
                      j.cos().view(kShapes[i]).to(dtype).requires_grad_(true), group});
  }
  return leaves;
}

void add_gradients(std::vector<Trainable>& leaves, int step) {
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    at::Tensor& grad = leaves[i].tensor.mutable_grad();
    const at::Tensor j = at::arange(grad.numel(), at::TensorOptions().dtype(at::kDouble));
    const at::Tensor value = (j + 1.0 + 0.37 * step).sin() * static_cast<double>(i + 1);
    grad.add_(value.view(grad.sizes()));
  }
}

constexpr char kOracle[] = R"(
import json, sys, torch
dtype = getattr(torch, sys.argv[1])
shapes = [(7, 5), (33,), (3, 4, 2), (1,)]
leaves, groups = [], []
for i, shape in enumerate(shapes):
    count = torch.Size(shape).numel()
    leaf = torch.arange(count, dtype=torch.float64).cos().view(shape).to(dtype)
    leaf.requires_grad_(True)
    leaves.append(leaf)
    groups.append({"params": [leaf], "lr": 4e-2 if i == 2 else 1e-2,
                   "weight_decay": 0.0 if i == 1 else 0.1})
optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-6)
norms = []
for step in range(20):
    for i, leaf in enumerate(leaves):
        j = torch.arange(leaf.numel(), dtype=torch.float64)
        leaf.grad = (((j + 1.0 + 0.37 * step).sin() * (i + 1)).view(leaf.shape)).to(dtype)
    norms.append(torch.nn.utils.clip_grad_norm_(leaves, 5.0).item())
    optimizer.step()
print(json.dumps({"norms": norms, "leaves": [l.double().flatten().tolist() for l in leaves]}))
)";

void compare_with_torch(at::ScalarType dtype, const std::string& name, double tolerance) {
  const std::string python = test::oracle_python("torch");
  if (python.empty()) GTEST_SKIP() << "no Python with torch";
  const Json oracle = parse_json(test::run_oracle(python, kOracle, {name}), "oracle");
  OptimizerConfig config;
  config.weight_decay = 0.1;
  config.beta2 = 0.95;
  config.epsilon = 1e-6;
  std::vector<Trainable> leaves = make_leaves(dtype);
  AdamW optimizer(leaves, config);
  for (int step = 0; step < 20; ++step) {
    optimizer.zero_gradients();
    add_gradients(leaves, step);
    const double norm = optimizer.gradient_norm();
    EXPECT_NEAR(norm / oracle["norms"][static_cast<std::size_t>(step)].get<double>(), 1.0,
                dtype == at::kFloat ? 1e-6 : 1e-14);
    optimizer.scale_gradients(clip_factor(norm, 5.0));
    optimizer.step(1e-2);
  }
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const auto wanted = oracle["leaves"][i].get<std::vector<double>>();
    const at::Tensor got = leaves[i].tensor.detach().to(at::kDouble).flatten();
    const at::Tensor difference = got - at::tensor(wanted, got.options());
    EXPECT_LT(difference.abs().max().item<double>(), tolerance) << leaves[i].name;
  }
}

// Twenty updates of 1e-2: rounding of fp32 values around 1 adds up to a few 1e-7.
TEST(AdamW, TwentyStepsEqualTorchInFp32) { compare_with_torch(at::kFloat, "float32", 1e-6); }
// The fused kernel takes its moments in the leaf's type, its hyper-parameters in double.
TEST(AdamW, TwentyStepsEqualTorchInFp64) { compare_with_torch(at::kDouble, "float64", 1e-13); }

TEST(AdamW, LeavesAndGradientsAreViewsOfFlatBuffers) {
  std::vector<Trainable> leaves = make_leaves(at::kFloat);
  const at::Tensor before = leaves[0].tensor.detach().clone();
  AdamW optimizer(leaves, {});
  EXPECT_TRUE(at::equal(leaves[0].tensor.detach(), before));
  const at::Tensor grad = leaves[0].tensor.grad();
  leaves[0].tensor.square().sum().backward();
  leaves[0].tensor.square().sum().backward();
  EXPECT_TRUE(leaves[0].tensor.grad().is_same(grad)) << "autograd must accumulate in place";
  EXPECT_TRUE(at::allclose(grad, 4 * before));
  EXPECT_NEAR(optimizer.gradient_norm(), (4 * before).norm().item<double>(), 1e-5);
  optimizer.zero_gradients();
  EXPECT_EQ(grad.abs().max().item<float>(), 0.0f);
}

TEST(AdamW, SameBitsForAnyThreadCount) {
  const int threads = at::get_num_threads();
  std::vector<at::Tensor> results;
  std::vector<double> norms;
  for (const int count : {1, 2, 3}) {
    at::set_num_threads(count);
    const at::Generator generator = at::detail::createCPUGenerator(7);
    const at::Tensor leaf = at::randn({1031, 517}, generator, at::TensorOptions().dtype(at::kFloat))
                                .requires_grad_(true);
    AdamW optimizer({{"leaf", leaf, {}}}, {});
    for (int step = 0; step < 3; ++step) {
      leaf.grad().copy_(at::randn(leaf.sizes(), generator, leaf.options().requires_grad(false)));
      norms.push_back(optimizer.gradient_norm());
      optimizer.step(1e-2);
    }
    results.push_back(leaf.detach().clone());
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(results[0], results[1]));
  EXPECT_TRUE(at::equal(results[0], results[2]));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(norms[i], norms[i + 3]);
    EXPECT_EQ(norms[i], norms[i + 6]);
  }
}

TEST(AdamW, StateRoundTripGivesTheSameNextStep) {
  std::vector<Trainable> leaves = make_leaves(at::kFloat), copies = make_leaves(at::kFloat);
  AdamW first(leaves, {}), second(copies, {});
  add_gradients(leaves, 0);
  first.step(1e-2);
  const std::vector<NamedTensor> from = first.state(), to = second.state();
  ASSERT_EQ(from.size(), 3 * leaves.size());
  for (std::size_t i = 0; i < from.size(); ++i) to[i].tensor.copy_(from[i].tensor);
  second.set_steps(first.steps());
  for (auto* each : {&leaves, &copies}) add_gradients(*each, 1);
  first.zero_gradients();
  second.zero_gradients();
  for (auto* each : {&leaves, &copies}) add_gradients(*each, 1);
  first.step(1e-2);
  second.step(1e-2);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    EXPECT_TRUE(at::equal(leaves[i].tensor, copies[i].tensor));
  }
}

TEST(AdamW, NothingToTrainIsAnError) { EXPECT_THROW(AdamW({}, {}), RunError); }

TEST(ClipFactor, OnlyShrinks) {
  EXPECT_EQ(clip_factor(0.5, 1.0), 1.0);
  EXPECT_NEAR(clip_factor(4.0, 1.0), 0.25, 1e-6);
  EXPECT_EQ(clip_factor(4.0, 0.0), 1.0);
}

}  // namespace optimizer_test
}  // namespace svtune
