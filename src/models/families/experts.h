// Mixtures of experts as decoders' feed-forward parts.
#pragma once

#include <string>

#include "models/families/decoder.h"

namespace svtune {

struct ExpertOptions {
  std::int64_t count = 0;
  std::int64_t per_token = 0;
  std::int64_t inner = 0;   // width of an expert
  std::int64_t shared = 0;  // width of the one that every row goes to as well; 0: none
  bool sums_to_one = true;  // Mixture::sums_to_one
  std::string gate = "gate_proj", up = "up_proj", down = "down_proj";
};

// The number of experts (num_experts or num_local_experts) and how many a token goes to.
void read_expert_counts(ConfigReader& config, ExpertOptions& experts);

// How transformers 5 has them in memory.
FusedExperts fused_experts(const ExpertOptions& experts);

// Below `at`: gate, experts.0, experts.1, ..., shared_expert, shared_expert_gate.
Mixture mixture(std::int64_t hidden, const ExpertOptions& experts, const Builder& at);

}  // namespace svtune
