#include "cli/core/interrupt.h"

#include <signal.h>

namespace svtune {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM};
std::atomic<bool> g_requested{false};
struct sigaction g_former[2];

static_assert(std::atomic<bool>::is_always_lock_free, "signal handlers need lock-free flags");

// Only async-signal-safe calls. The second signal meets the default action.
void on_signal(int number) {
  if (!g_requested.exchange(true)) return;
  signal(number, SIG_DFL);
  raise(number);
}

}  // namespace

const std::atomic<bool>& interrupt_requested() { return g_requested; }

InterruptGuard::InterruptGuard() {
  g_requested = false;
  struct sigaction action{};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (int i = 0; i < 2; ++i) sigaction(kSignals[i], &action, &g_former[i]);
}

InterruptGuard::~InterruptGuard() {
  for (int i = 0; i < 2; ++i) sigaction(kSignals[i], &g_former[i], nullptr);
  g_requested = false;
}

}  // namespace svtune
