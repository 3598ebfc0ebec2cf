// Ctrl-C in two stages: the first one asks the running work to stop at the next safe point,
// the second one ends the process at once.
#pragma once

#include <atomic>

namespace svtune {

// Set by the first SIGINT or SIGTERM while an InterruptGuard lives.
const std::atomic<bool>& interrupt_requested();

// Installs the handlers and restores the former ones. One at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
};

}  // namespace svtune
