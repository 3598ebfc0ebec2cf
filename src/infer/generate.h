// Batched autoregressive generation with a key/value cache.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "infer/sampling.h"
#include "models/network.h"

namespace svtune {

enum class StopReason { kEndToken, kStopped, kLength };

struct GenerateOptions {
  SamplingOptions sampling;
  std::int64_t max_new_tokens = 256;
  std::vector<std::int32_t> end_tokens;  // any of them ends a sequence and is not returned
  // Number of the first prompt among all that are asked with this seed: prompts answered in
  // several calls draw as if they were one batch.
  std::uint64_t first_index = 0;
  // Of each prompt, as Batch::adapters; empty: all go through the first one.
  std::vector<std::int32_t> adapters = {};
};

struct Generated {
  std::vector<std::int32_t> ids;  // new tokens only
  StopReason reason = StopReason::kLength;
};

// Called for each new token of prompt `index`; false ends that sequence (kStopped).
using TokenCallback = std::function<bool(std::size_t index, std::int32_t id)>;

// Throws ModelError for an empty prompt or ids outside a vocabulary of that many tokens.
void require_prompt(const std::vector<std::int32_t>& ids, std::int64_t vocab);

// Continues every prompt. All prompts run as one batch; each draws from its own random
// stream, derived from the seed and its number, so results do not depend on the company.
// Throws what require_prompt() does, and RunError for logits that are not finite.
std::vector<Generated> generate(Network& net, const std::vector<std::vector<std::int32_t>>& prompts,
                                const GenerateOptions& options, const TokenCallback& on_token = {});

}  // namespace svtune
