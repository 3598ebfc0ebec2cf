#include "train/memory_plan.h"

#include <algorithm>

#include "base/errors.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"
#include "train/session_memory.h"

namespace svtune {
namespace {

// "with 29 of 30 blocks computed again, "; nothing where none is.
std::string again_text(const MemoryPlan& plan) {
  if (plan.recompute.blocks == 0) return "";
  return "with " + std::to_string(plan.recompute.blocks) + " of " + std::to_string(plan.blocks) +
         " blocks computed again, ";
}

[[noreturn]] void refuse(const MemoryPlan& smallest, std::uint64_t target) {
  throw RunError("training needs at least " + format_bytes(smallest.forecast.total()) +
                     " of memory (" + again_text(smallest) + items_text(smallest.forecast) +
                     "), --max-memory allows " + format_bytes(target),
                 "allow that much, lower --batch-size or --batch-tokens (raising "
                 "--gradient-accumulation by the same factor keeps the result), or make the base "
                 "smaller: --base-dtype nf4, --dtype bf16");
}

}  // namespace

MemoryPlan plan_memory(Network& net, const MemoryRequest& request, std::uint64_t target) {
  const auto plan_with = [&](std::int64_t blocks) {
    MemoryRequest tried = request;
    tried.recompute.blocks = blocks;
    return MemoryPlan{predict_memory(net, tried), tried.recompute, request.blocks()};
  };
  const std::int64_t first = std::min(request.recompute.blocks, request.blocks());
  MemoryPlan smallest = plan_with(first);
  for (std::int64_t blocks = first; blocks <= request.blocks(); ++blocks) {
    MemoryPlan plan = plan_with(blocks);
    const std::uint64_t total = plan.forecast.total();
    if (total <= target) return plan;
    if (total < smallest.forecast.total()) smallest = std::move(plan);
  }
  refuse(smallest, target);
}

std::string plan_text(const MemoryPlan& plan, std::uint64_t target) {
  const std::string all = std::to_string(plan.blocks) + " blocks";
  const std::string what =
      plan.recompute.blocks == 0
          ? "keep what backward needs of " + all
          : "recompute " + std::to_string(plan.recompute.blocks) + " of " + all;
  return what + ": " + format_bytes(plan.forecast.total()) + " of " + format_bytes(target);
}

MemoryChoice choose_memory(Network& net, MemoryRequest request, ActivationOptions& options) {
  request.recompute = options.plan();
  if (!options.max_memory) return {predict_memory(net, request), ""};
  const auto target = static_cast<std::uint64_t>(*options.max_memory);
  MemoryPlan plan = plan_memory(net, request, target);
  const bool all_asked_for = options.recompute == Recompute::kFull;
  if (!all_asked_for && plan.recompute.blocks > 0) options.recompute_blocks = plan.recompute.blocks;
  std::string text = plan_text(plan, target);
  return {std::move(plan.forecast), std::move(text)};
}

MemoryChoice choose_memory(TrainSession& session, const Attached& attached) {
  Network& net = *session.model.net;
  return choose_memory(net, memory_request(session, net, attached.adapters),
                       session.options.train.activations);
}

}  // namespace svtune
