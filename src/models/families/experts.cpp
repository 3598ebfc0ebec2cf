#include "models/families/experts.h"

#include <utility>

namespace svtune {
namespace {

constexpr char kExperts[] = "experts", kRouter[] = "gate";

GatedMlp make_expert(std::int64_t hidden, std::int64_t inner, const ExpertOptions& experts,
                     const Builder& at) {
  GatedMlp mlp;
  mlp.gate = at.linear(experts.gate, inner, hidden);
  mlp.up = at.linear(experts.up, inner, hidden);
  mlp.down = at.linear(experts.down, hidden, inner);
  mlp.activation_module = at.module("act_fn");
  return mlp;
}

}  // namespace

void read_expert_counts(ConfigReader& config, ExpertOptions& experts) {
  experts.count = config.integer_or("num_local_experts", experts.count);
  experts.count = config.integer_or("num_experts", experts.count);
  experts.per_token = config.integer_or("num_experts_per_tok", experts.per_token);
  if (experts.per_token <= experts.count) return;
  config.problem("num_experts_per_tok " + std::to_string(experts.per_token) + " of " +
                 std::to_string(experts.count) + " experts");
}

FusedExperts fused_experts(const ExpertOptions& experts) {
  return {
      .module = kExperts,
      .router = kRouter,
      .parameters = {{"gate_up_proj", {experts.gate, experts.up}}, {"down_proj", {experts.down}}},
      .running_names = {}};
}

Mixture mixture(std::int64_t hidden, const ExpertOptions& experts, const Builder& at) {
  Mixture mixture;
  mixture.router = at.linear(kRouter, experts.count, hidden);
  mixture.experts_per_token = experts.per_token;
  mixture.sums_to_one = experts.sums_to_one;
  for (std::int64_t i = 0; i < experts.count; ++i) {
    const Builder expert = at.at(std::string(kExperts) + "." + std::to_string(i));
    mixture.experts.push_back(make_expert(hidden, experts.inner, experts, expert));
  }
  if (experts.shared > 0) {
    GatedMlp mlp = make_expert(hidden, experts.shared, experts, at.at("shared_expert"));
    mixture.shared =
        Mixture::SharedExpert{std::move(mlp), at.linear("shared_expert_gate", 1, hidden)};
  }
  return mixture;
}

}  // namespace svtune
