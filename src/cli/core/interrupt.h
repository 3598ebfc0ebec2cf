// Signals that end a process: SIGINT, SIGTERM, SIGHUP (the terminal or the connection is gone) and
// SIGPIPE (whoever read the output is). What the caller's environment ignores (nohup) stays so.
#pragma once

#include <atomic>

namespace svtune {

// Set by the first of these signals while an InterruptGuard lives.
const std::atomic<bool>& interrupt_requested();

// 128 + the number of that signal, as a shell reports a process that it ended: 130 after Ctrl-C,
// 143 after SIGTERM, 129 after SIGHUP. Kept after the guard; 0 when there was none.
int interrupt_exit_code();

// From here on each of these signals removes what is half written (base/temporaries.h) and ends the
// process with interrupt_exit_code(), wherever it is, and SIGXFSZ is ignored. To be called once.
void end_process_on_signals();

// Does not return once such a signal has come: what it is to end must not report an error or end in
// another way meanwhile.
void stay_if_ending();

// While it lives, the first signal asks the running work to stop at the next safe point and the
// second one does what it would do without the guard. One at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
};

}  // namespace svtune
