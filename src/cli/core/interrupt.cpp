#include "cli/core/interrupt.h"

#include <signal.h>

#include <cstddef>
#include <iterator>

namespace svtune {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
std::atomic<bool> g_requested{false};
std::atomic<int> g_signal{0};
struct sigaction g_former[std::size(kSignals)];

static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "signal handlers need lock-free flags");

// Only async-signal-safe calls. The second signal meets the default action, but for a lost reader,
// which every further line of output reports again.
void on_signal(int number) {
  int none = 0;
  if (g_signal.compare_exchange_strong(none, number)) {
    g_requested = true;
    return;
  }
  if (number == SIGPIPE) return;
  signal(number, SIG_DFL);
  raise(number);
}

// A shell without job control starts background commands with SIGINT ignored, which says nothing
// about a signal sent on purpose; of the others it is a wish (nohup).
bool stays_ignored(int number, const struct sigaction& former) {
  return number != SIGINT && former.sa_handler == SIG_IGN;
}

}  // namespace

const std::atomic<bool>& interrupt_requested() { return g_requested; }

int interrupt_exit_code() { return g_signal == 0 ? 0 : 128 + g_signal; }

InterruptGuard::InterruptGuard() {
  g_requested = false;
  g_signal = 0;
  struct sigaction action{};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], &action, &g_former[i]);
    if (stays_ignored(kSignals[i], g_former[i])) sigaction(kSignals[i], &g_former[i], nullptr);
  }
}

InterruptGuard::~InterruptGuard() {
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], &g_former[i], nullptr);
  }
  g_requested = false;
}

}  // namespace svtune
