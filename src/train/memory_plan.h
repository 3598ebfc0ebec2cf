// How many blocks run again in backward, so that a run stays within --max-memory.
#pragma once

#include <cstdint>
#include <string>

#include "train/memory.h"
#include "train/train_session.h"

namespace svtune {

struct MemoryPlan {
  MemoryForecast forecast;
  RecomputePlan recompute;
  std::int64_t blocks = 0;  // that backward goes through
};

// The plan that computes fewest blocks again, and no fewer than the request's own, with a forecast
// of at most `target` bytes. Throws RunError naming the smallest forecast of all plans where none
// is so small.
MemoryPlan plan_memory(Network& net, const MemoryRequest& request, std::uint64_t target);

// "recompute 12 of 30 blocks: 3.40 GiB of 4.00 GiB".
std::string plan_text(const MemoryPlan& plan, std::uint64_t target);

// What a run will need, and how it was chosen.
struct MemoryChoice {
  MemoryForecast forecast;
  std::string text;  // plan_text(); empty without a target
};

// The forecast of what `options` ask for. Where they have a target, recompute_blocks becomes what
// is chosen for it; a choice that was made before can only grow. Throws as plan_memory().
MemoryChoice choose_memory(Network& net, MemoryRequest request, ActivationOptions& options);
// The same for the session's run.
MemoryChoice choose_memory(TrainSession& session, const Attached& attached);

}  // namespace svtune
