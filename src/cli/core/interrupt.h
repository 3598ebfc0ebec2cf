// Signals that end a process, in two stages: the first one asks the running work to stop at the
// next safe point, the second one ends the process at once.
#pragma once

#include <atomic>

namespace svtune {

// Set by the first SIGINT, SIGTERM, SIGHUP (the terminal or the connection is gone) or SIGPIPE
// (whoever read the output is) while an InterruptGuard lives.
const std::atomic<bool>& interrupt_requested();

// 128 + the number of that signal, as a shell reports a process that it ended: 130 after Ctrl-C,
// 143 after SIGTERM, 129 after SIGHUP. Kept after the guard; 0 when there was none.
int interrupt_exit_code();

// Installs the handlers and restores the former ones. One at a time. What the caller's
// environment ignores (nohup) stays ignored.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
};

}  // namespace svtune
