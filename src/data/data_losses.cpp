#include "data/data_losses.h"

namespace svtune {

std::vector<std::string> data_losses(const ExampleStore& store) {
  const EncodeStats& stats = store.stats();
  const std::string& name = store.records().name();
  const auto of_seen = [&](std::int64_t count) {
    return name + ": " + std::to_string(count) + " of " + std::to_string(stats.seen) + " examples ";
  };
  std::vector<std::string> losses;
  if (stats.truncated > 0) {
    losses.push_back(of_seen(stats.truncated) + "were truncated to " +
                     std::to_string(store.encoder().options().max_length) + " tokens");
  }
  if (stats.dropped > 0) {
    losses.push_back(of_seen(stats.dropped) + "have no token to learn from and are left out");
  }
  if (stats.bad_lines > 0) {
    losses.push_back(name + ": " + std::to_string(stats.bad_lines) +
                     " malformed records are left out");
    for (const BadRecord& bad : store.records().bad()) {
      losses.back() += "\n  " + name + ":" + bad.place + ": " + bad.problem;
    }
  }
  return losses;
}

}  // namespace svtune
