// What only AdaLoRA promises: the budget's course, which triplets it keeps, the penalty, what a
// file holds once the budget is final, and PiSSA's start. The contract suite has the rest.
#include "adapters/adalora/adalora.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "adapters/adalora/adalora_adapter.h"
#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace adalora_test {

using ::testing::AllOf;
using ::testing::HasSubstr;

at::Tensor seeded(const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kDouble);
}

TEST(AdaloraBudget, FallsWithTheCubeOfWhatIsLeft) {
  const AdaloraBudget budget{.initial = 120, .target = 80, .full_steps = 10, .final_steps = 20};
  for (const std::int64_t step : {1, 10}) EXPECT_EQ(budget.at(step, 110), 120);
  for (const std::int64_t step : {90, 91, 110}) EXPECT_EQ(budget.at(step, 110), 80);
  EXPECT_EQ(budget.at(50, 110), 85);  // half of the way: 80 + 40 / 8
  for (std::int64_t step = 1; step < 110; ++step) {
    EXPECT_GE(budget.at(step, 110), budget.at(step + 1, 110));
  }
}

// Two layers of unlike sizes.
class AdaloraLayers : public ::testing::Test {
 protected:
  const std::string names_[2] = {"wide", "tall"};
  const BaseWeight bases_[2] = {BaseWeight(seeded({12, 20}, 1)), BaseWeight(seeded({18, 10}, 2))};
  AdaloraConfig config_{.rank = 6, .target_rank = 2, .alpha = 3.0};
  std::shared_ptr<AdaloraState> state_;
  std::vector<std::unique_ptr<AdaloraAdapter>> adapters_;

  void make(bool initialise = true) {
    std::vector<LayerSite> sites{{names_[0], bases_[0], 1}, {names_[1], bases_[1], 2}};
    const std::shared_ptr<MethodState> state = make_state(config_, sites);
    state_ = std::dynamic_pointer_cast<AdaloraState>(state);
    adapters_.clear();
    for (LayerSite& site : sites) {
      site.state = state;
      AdapterInit init =
          initialise ? make_adapter(config_, site) : make_empty_adapter(config_, site);
      adapters_.emplace_back(dynamic_cast<AdaloraAdapter*>(init.adapter.release()));
    }
  }

  // New values and gradients for all leaves, as an optimiser's step leaves them.
  void take_step(std::uint64_t seed) {
    for (const auto& adapter : adapters_) {
      for (const Trainable& each : adapter->trainables()) {
        each.tensor.detach().copy_(seeded(each.tensor.sizes().vec(), seed++));
        each.tensor.mutable_grad() = seeded(each.tensor.sizes().vec(), 1000 + seed++);
      }
    }
  }

  std::int64_t alive() const {
    std::int64_t count = 0;
    for (const auto& adapter : adapters_) {
      count += (adapter->trainables()[2].tensor.detach() != 0).sum().item<std::int64_t>();
    }
    return count;
  }
};

TEST_F(AdaloraLayers, AfterEachStepAsManyTripletsAreLeftAsTheBudgetHas) {
  config_.full_budget_steps = 3;
  config_.final_budget_steps = 4;
  make();
  constexpr std::int64_t kTotal = 20;
  state_->begin(kTotal);
  const AdaloraBudget budget{.initial = 12, .target = 4, .full_steps = 3, .final_steps = 4};
  for (std::int64_t step = 1; step <= kTotal; ++step) {
    take_step(100 * static_cast<std::uint64_t>(step));
    state_->after_step(step, kTotal);
    EXPECT_EQ(alive(), budget.at(step, kTotal)) << step;
    EXPECT_EQ(state_->is_final(), step >= 16) << step;
  }
}

TEST_F(AdaloraLayers, BetweenTwoChoicesNothingIsMasked) {
  config_.budget_interval = 4;
  make();
  state_->begin(10);
  for (std::int64_t step = 1; step <= 9; ++step) {
    take_step(static_cast<std::uint64_t>(step));
    state_->after_step(step, 10);
    if (step % 4 == 0) {
      EXPECT_LT(alive(), 12) << step;
    } else {
      EXPECT_EQ(alive(), 12) << step;
    }
  }
}

// The rule written out, number by number.
TEST_F(AdaloraLayers, TripletsWithTheSmallestScoresLeave) {
  make();
  constexpr std::int64_t kTotal = 4;
  state_->begin(kTotal);
  std::vector<std::vector<at::Tensor>> mean(2), spread(2);
  for (std::int64_t step = 1; step < kTotal; ++step) {
    take_step(100 * static_cast<std::uint64_t>(step));
    std::vector<std::pair<double, std::pair<int, std::int64_t>>> scores;
    for (int l : {0, 1}) {
      const std::vector<Trainable> leaves = adapters_[l]->trainables();  // A, B, E
      for (std::size_t i = 0; i < 3; ++i) {
        const at::Tensor now = (leaves[i].tensor.detach() * leaves[i].tensor.grad()).abs();
        if (step == 1) {
          mean[l].push_back(at::zeros_like(now));
          spread[l].push_back(at::zeros_like(now));
        }
        mean[l][i] = 0.85 * mean[l][i] + 0.15 * now;
        spread[l][i] = 0.85 * spread[l][i] + 0.15 * (now - mean[l][i]).abs();
      }
      for (std::int64_t t = 0; t < 6; ++t) {
        const at::Tensor a = mean[l][0] * spread[l][0], b = mean[l][1] * spread[l][1],
                         e = mean[l][2] * spread[l][2];
        scores.push_back({e[t][0].item<double>() + a[t].mean().item<double>() +
                              b.select(1, t).mean().item<double>(),
                          {l, t}});
      }
    }
    state_->after_step(step, kTotal);
    std::ranges::sort(scores);
    const auto leaving = static_cast<std::size_t>(12 - alive());
    EXPECT_GT(leaving, 0u);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const auto [l, t] = scores[i].second;
      const at::Tensor E = adapters_[l]->trainables()[2].tensor.detach();
      EXPECT_EQ(E[t][0].item<double>() == 0, i < leaving) << step << " " << l << " " << t;
    }
  }
}

TEST_F(AdaloraLayers, FinalFilesHoldTheKeptTripletsAlone) {
  make();
  state_->begin(2);
  for (std::int64_t step : {1, 2}) {
    take_step(100 * static_cast<std::uint64_t>(step));
    EXPECT_FALSE(adapters_[0]->final_pattern().defined());
    EXPECT_EQ(adapters_[0]->stored_leaves().A.size(0), 6);  // triplets may still return
    state_->after_step(step, 2);
  }
  std::int64_t stored = 0;
  for (int l : {0, 1}) {
    const AdaloraLeaves leaves = adapters_[l]->stored_leaves();
    EXPECT_EQ(adapters_[l]->final_pattern().sum().item<std::int64_t>(), leaves.A.size(0));
    stored += leaves.A.size(0);
    const LowRankDelta whole = *adapters_[l]->low_rank_delta();
    const at::Tensor small = at::mm(leaves.B, leaves.A * leaves.E),
                     all = at::mm(whole.up, whole.down);
    EXPECT_LT((small - all).abs().max().item<double>(), 1e-12);  // fp64, fewer terms
    EXPECT_DOUBLE_EQ(whole.scale, 3.0 / (6 + 1e-5));             // PEFT's
  }
  EXPECT_EQ(stored, 4);
}

TEST_F(AdaloraLayers, LayersMayLoseAllTriplets) {
  config_.kept = {{"wide", {false, false, false, false, false, false}},
                  {"tall", {true, false, true, false, false, true}}};
  make(false);
  EXPECT_EQ(adapters_[0]->trainables()[0].tensor.size(0), 0);
  EXPECT_EQ(adapters_[1]->trainables()[0].tensor.size(0), 3);
  const at::Tensor x = seeded({5, 20}, 3).requires_grad_(true);
  adapters_[0]->refresh(bases_[0]);
  const at::Tensor y = adapters_[0]->forward(x, bases_[0]);
  EXPECT_TRUE(at::equal(y.detach(), bases_[0].matmul(x.detach())));
  y.sum().backward();
  EXPECT_EQ(adapters_[0]->low_rank_delta()->down.size(0), 1);  // an export needs one
  EXPECT_TRUE(state_->is_final());
}

TEST_F(AdaloraLayers, PenaltyMeasuresDepartureFromOrthonormality) {
  for (const auto kind : {OrthogonalPenalty::kNorms, OrthogonalPenalty::kSquares}) {
    config_.orthogonal_penalty = kind;
    config_.orthogonal_weight = 0.3;
    make();
    take_step(7);
    double sum = 0;
    for (const auto& adapter : adapters_) {
      const std::vector<Trainable> leaves = adapter->trainables();
      for (const at::Tensor& rows : {leaves[0].tensor.detach(), leaves[1].tensor.detach().t()}) {
        const double norm =
            (at::mm(rows, rows.t()) - at::eye(6, at::kDouble)).norm().item<double>();
        sum += kind == OrthogonalPenalty::kNorms ? norm / 4 : norm * norm;
      }
    }
    EXPECT_NEAR(state_->penalty().item<double>(), 0.3 * sum, 1e-9 * sum);
  }
  config_.orthogonal_weight = 0;
  make();
  EXPECT_FALSE(state_->penalty().defined());
}

TEST_F(AdaloraLayers, ABudgetWithoutAStepToShrinkInIsRefused) {
  config_.full_budget_steps = 5;
  config_.final_budget_steps = 5;
  make();
  EXPECT_NO_THROW(state_->begin(11));
  try {
    state_->begin(10);
    FAIL() << "accepted";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("10 steps"), HasSubstr("--full-budget-steps 5")));
  }
}

TEST_F(AdaloraLayers, TargetsAboveTheRankAreRefused) {
  config_.target_rank = 7;
  EXPECT_THROW(check_layer(config_, {names_[0], bases_[0], 1}), UsageError);
}

TEST_F(AdaloraLayers, TrainTheirTripletsNumbers) {
  make();
  for (int l : {0, 1}) {
    std::int64_t count = 0;
    for (const Trainable& each : adapters_[l]->trainables()) count += each.tensor.numel();
    EXPECT_EQ(count, 6 * (bases_[l].in_features() + bases_[l].out_features() + 1));
  }
}

TEST_F(AdaloraLayers, PissaStartIsThePrincipalPartAndIsNeverPruned) {
  config_.init = AdaloraInit::kPissa;
  make();
  const auto [U, S, Vh] = at::linalg_svd(bases_[0].dense(), false);
  const std::vector<Trainable> leaves = adapters_[0]->trainables();  // A, B, E
  const at::Tensor part =
      at::mm(leaves[1].tensor.detach(), leaves[0].tensor.detach() * leaves[2].tensor.detach()) *
      config_.scaling();
  const at::Tensor expected = at::mm(U.narrow(1, 0, 6) * S.narrow(0, 0, 6), Vh.narrow(0, 0, 6));
  EXPECT_LT((part - expected).abs().max().item<double>(), 1e-5);  // triplets are fp32
  const at::Tensor x = seeded({5, 20}, 3);
  EXPECT_TRUE(at::equal(adapters_[0]->forward(x, bases_[0]).detach(), bases_[0].matmul(x)));
  state_->begin(3);
  for (std::int64_t step : {1, 2, 3}) {
    take_step(static_cast<std::uint64_t>(step));
    state_->after_step(step, 3);
  }
  EXPECT_EQ(alive(), 12);
}

}  // namespace adalora_test
}  // namespace svtune
