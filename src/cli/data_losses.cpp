#include "cli/data_losses.h"

#include <iostream>

namespace svtune {

void warn_of_losses(const ExampleStore& store) {
  const EncodeStats& stats = store.stats();
  const std::string& name = store.records().name();
  if (stats.truncated > 0) {
    std::cerr << "warning: " << name << ": " << stats.truncated << " of " << stats.seen
              << " examples were truncated to " << store.encoder().options().max_length
              << " tokens\n";
  }
  if (stats.dropped > 0) {
    std::cerr << "warning: " << name << ": " << stats.dropped << " of " << stats.seen
              << " examples have no token to learn from and are left out\n";
  }
  if (stats.bad_lines > 0) {
    std::cerr << "warning: " << name << ": " << stats.bad_lines
              << " malformed records are left out\n";
    for (const BadRecord& bad : store.records().bad()) {
      std::cerr << "  " << name << ":" << bad.line << ": " << bad.problem << "\n";
    }
  }
}

}  // namespace svtune
