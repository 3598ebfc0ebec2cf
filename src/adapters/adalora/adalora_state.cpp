#include "adapters/adalora/adalora_state.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr const char* kParts[] = {"A", "E", "B"};

std::array<at::Tensor, 3> parts_of(const AdaloraLeaves& leaves) {
  return {leaves.A, leaves.E, leaves.B};
}

// M Mᵀ − 1 for the shorter side of a factor, which is a row or a column per triplet.
at::Tensor departure(const at::Tensor& rows) {
  const at::Tensor gram = at::mm(rows, rows.t());
  return gram - at::eye(gram.size(0), gram.options());
}

}  // namespace

std::int64_t AdaloraBudget::at(std::int64_t step, std::int64_t total) const {
  const std::int64_t end = total - final_steps;
  if (step <= full_steps) return initial;
  if (step >= end) return target;
  const double left =
      1.0 - static_cast<double>(step - full_steps) / static_cast<double>(end - full_steps);
  const auto shrinking = static_cast<double>(initial - target);
  return static_cast<std::int64_t>(shrinking * left * left * left + static_cast<double>(target));
}

AdaloraState::AdaloraState(const AdaloraRules& rules, const std::vector<AdaloraSize>& layers)
    : rules_(rules), schedule_(at::zeros({2}, at::kLong)) {
  for (const AdaloraSize& size : layers) {
    Layer layer;
    layer.name = size.name;
    layer.kept = at::ones({size.rank}, size.options.dtype(at::kByte));
    if (rules.prunes) {
      const std::vector<std::int64_t> shapes[] = {
          {size.rank, size.in}, {size.rank, 1}, {size.out, size.rank}};
      for (std::size_t i = 0; i < 3; ++i) {
        layer.importance[i] = at::zeros(shapes[i], size.options);
        layer.uncertainty[i] = at::zeros(shapes[i], size.options);
      }
    }
    budget_.initial += size.rank;
    layers_.push_back(std::move(layer));
  }
  const auto count = static_cast<std::int64_t>(layers_.size());
  budget_.target = std::min(rules.target_rank * count, budget_.initial);
  budget_.full_steps = rules.full_steps;
  budget_.final_steps = rules.final_steps;
  schedule_[0] = rules.total_steps;
  schedule_[1] = rules.final;
}

const AdaloraState::Layer& AdaloraState::layer(const std::string& name) const {
  return *std::ranges::find(layers_, name, &Layer::name);
}

void AdaloraState::join(const std::string& name, const AdaloraLeaves& leaves) {
  std::ranges::find(layers_, name, &Layer::name)->leaves = leaves;
}

std::vector<NamedTensor> AdaloraState::changing() const {
  if (!rules_.prunes) return {};
  std::vector<NamedTensor> list{{"schedule", schedule_}};
  for (const Layer& layer : layers_) {
    list.push_back({layer.name + ".kept", layer.kept});
    for (std::size_t i = 0; i < 3; ++i) {
      list.push_back({layer.name + ".importance_" + kParts[i], layer.importance[i]});
      list.push_back({layer.name + ".uncertainty_" + kParts[i], layer.uncertainty[i]});
    }
  }
  return list;
}

at::Tensor AdaloraState::penalty() const {
  if (rules_.orthogonal_weight == 0 || layers_.empty()) return {};
  const bool squares = rules_.squares;
  std::vector<at::Tensor> terms;
  for (const Layer& layer : layers_) {
    for (const at::Tensor& rows : {layer.leaves.A, layer.leaves.B.t()}) {
      const at::Tensor difference = departure(rows);
      terms.push_back(squares ? difference.square().sum() : difference.norm());
    }
  }
  const at::Tensor all = at::stack(terms);
  return (squares ? all.sum() : all.mean()) * rules_.orthogonal_weight;
}

void AdaloraState::begin(std::int64_t total) {
  if (!rules_.prunes || is_final()) return;
  const std::int64_t end = total - rules_.final_steps;
  if (rules_.full_steps >= end) {
    throw UsageError("AdaLoRA's budget has no step to shrink in: " + std::to_string(total) +
                         " steps, --full-budget-steps " + std::to_string(rules_.full_steps) +
                         ", --final-budget-steps " + std::to_string(rules_.final_steps),
                     "Their sum must be below the number of steps.");
  }
  schedule_[0] = total;
}

void AdaloraState::after_step(std::int64_t step, std::int64_t total) {
  if (!rules_.prunes) return;
  const at::NoGradGuard no_grad;
  if (is_final()) return mask();
  const std::int64_t end = total - rules_.final_steps;
  if (step < end) measure();
  const bool shrinks = step > rules_.full_steps && step % rules_.interval == 0;
  if (shrinks || step >= end) keep_best(budget_.at(step, total));
  if (step >= end) schedule_[1] = 1;
}

void AdaloraState::measure() {
  for (Layer& layer : layers_) {
    const std::array<at::Tensor, 3> leaves = parts_of(layer.leaves);
    for (std::size_t i = 0; i < 3; ++i) {
      if (!leaves[i].grad().defined()) continue;
      const at::Tensor now = (leaves[i].detach() * leaves[i].grad()).abs_();
      layer.importance[i].mul_(rules_.importance_decay).add_(now, 1 - rules_.importance_decay);
      layer.uncertainty[i]
          .mul_(rules_.uncertainty_decay)
          .add_((now - layer.importance[i]).abs_(), 1 - rules_.uncertainty_decay);
    }
  }
}

at::Tensor AdaloraState::scores(const Layer& layer) const {
  const auto score = [&](std::size_t i) {
    return (layer.importance[i] * layer.uncertainty[i]).to(at::kDouble);
  };
  return score(1).view({-1}) + score(0).mean(1) + score(2).mean(0);
}

// Ties go by position, so that the budget is met exactly.
void AdaloraState::keep_best(std::int64_t budget) {
  std::vector<at::Tensor> all;
  for (const Layer& layer : layers_) all.push_back(scores(layer).cpu());
  const at::Tensor scores = at::cat(all);
  const at::Tensor order = at::argsort(scores, /*stable=*/true, /*dim=*/0, /*descending=*/true);
  const at::Tensor kept = at::zeros({scores.size(0)}, at::kByte);
  kept.index_fill_(0, order.narrow(0, 0, std::min(budget, order.size(0))), 1);
  std::int64_t first = 0;
  for (Layer& layer : layers_) {
    layer.kept.copy_(kept.narrow(0, first, layer.kept.size(0)));
    first += layer.kept.size(0);
  }
  mask();
}

void AdaloraState::mask() {
  for (Layer& layer : layers_) {
    layer.leaves.E.detach().masked_fill_((layer.kept == 0).unsqueeze(1), 0);
  }
}

bool AdaloraState::is_final() const { return schedule_[1].item<std::int64_t>() != 0; }

at::Tensor AdaloraState::kept(const std::string& name) const { return layer(name).kept != 0; }

std::int64_t AdaloraState::total_steps() const { return schedule_[0].item<std::int64_t>(); }

}  // namespace svtune
