#include "cli/core/interrupt.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <iterator>
#include <system_error>
#include <thread>
#include <tuple>

#include "base/temporaries.h"

namespace svtune {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
std::atomic<bool> g_requested{false}, g_ending{false};
std::atomic<int> g_signal{0};
std::atomic<int> g_wake{-1};  // written to, it wakes the thread that ends the process
struct sigaction g_former[std::size(kSignals)];

static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "signal handlers need lock-free flags");

void note(int number) {
  int none = 0;
  g_signal.compare_exchange_strong(none, number);
}

// Of the handlers: only async-signal-safe calls.
void end_process(int number) {
  note(number);
  const int error = errno;
  g_ending = true;
  if (::write(g_wake, "", 1) < 0) _exit(128 + number);
  errno = error;
}

// The second signal does what it would do without the guard, but for a lost reader, which every
// further line of output reports again.
void ask_to_stop(int number) {
  if (!g_requested.exchange(true)) return note(number);
  if (number == SIGPIPE) return;
  if (g_wake >= 0) return end_process(number);
  signal(number, SIG_DFL);
  raise(number);
}

// Removing files is nothing for a signal handler.
void end_when_woken(int wake) {
  char byte = 0;
  while (::read(wake, &byte, 1) < 0 && errno == EINTR) {
  }
  abandon_temporaries();
  // A bar may stand in the line where the shell will ask for the next command.
  if (::isatty(STDERR_FILENO) == 1) std::ignore = ::write(STDERR_FILENO, "\n", 1);
  _exit(interrupt_exit_code());
}

// A shell without job control starts background commands with SIGINT ignored, which says nothing
// about a signal sent on purpose; of the others it is a wish (nohup).
bool stays_ignored(int number, const struct sigaction& former) {
  return number != SIGINT && former.sa_handler == SIG_IGN;
}

// `former` receives one action for each of kSignals.
void install(void (*handler)(int), struct sigaction* former) {
  struct sigaction action{};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], &action, &former[i]);
    if (stays_ignored(kSignals[i], former[i])) sigaction(kSignals[i], &former[i], nullptr);
  }
}

}  // namespace

const std::atomic<bool>& interrupt_requested() { return g_requested; }

int interrupt_exit_code() { return g_signal == 0 ? 0 : 128 + g_signal; }

void end_process_on_signals() {
  // Beyond the limit of file sizes (ulimit -f) a write then fails, as on a full disk.
  ::signal(SIGXFSZ, SIG_IGN);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return;  // the signals keep their default action
  try {
    std::thread(end_when_woken, ends[0]).detach();
  } catch (const std::system_error&) {
    ::close(ends[0]);
    ::close(ends[1]);
    return;
  }
  g_wake = ends[1];
  struct sigaction former[std::size(kSignals)];
  install(end_process, former);
}

void stay_if_ending() {
  while (g_ending) ::pause();
}

InterruptGuard::InterruptGuard() {
  g_requested = false;
  g_signal = 0;
  install(ask_to_stop, g_former);
}

InterruptGuard::~InterruptGuard() {
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], &g_former[i], nullptr);
  }
  g_requested = false;
}

}  // namespace svtune
