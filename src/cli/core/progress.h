// Progress of a long piece of work: one redrawn line on a terminal, at most ten times a
// second; plain lines now and then elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "cli/core/terminal.h"

namespace svtune {

struct ProgressSample {
  std::int64_t done = 0;
  std::int64_t total = 0;           // 0 when unknown
  std::optional<double> loss = {};  // mean
  std::optional<double> tokens_per_second = {};
  std::optional<std::uint64_t> memory = {};  // bytes resident
  std::string note = {};                     // shown last, as it is
};

class Progress {
 public:
  struct Settings {
    std::string label;                                 // "train"
    std::string unit = "step";                         // what `done` counts, for plain lines
    double plain_interval = 5;                         // seconds between plain lines
    std::function<void(std::string_view)> write = {};  // empty: standard error
    // What `write` leads to; empty: what standard error is at each drawing.
    std::function<TerminalInfo()> terminal = {};
    std::function<double()> now = {};  // seconds; empty: steady clock
  };

  explicit Progress(Settings settings);
  ~Progress();  // ends the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(const ProgressSample& sample);
  // A full line above the bar, or a plain line.
  void print(std::string_view line);
  // Draws the last sample for good. Further updates start a new line.
  void finish();

 private:
  void draw();
  std::string eta() const;
  std::string facts(bool plain) const;
  std::string bar_line() const;
  std::string plain_line() const;

  Settings settings_;
  TerminalInfo terminal_;
  ProgressSample sample_;
  std::optional<double> first_time_, last_draw_;
  std::int64_t first_done_ = 0;
  bool pending_ = false;  // sample_ is newer than what is drawn
  bool line_open_ = false;
};

// "0:42", "3:05", "2:14:09".
std::string format_duration(double seconds);

}  // namespace svtune
