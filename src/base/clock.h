// Seconds of a clock that never goes back: only differences mean something.
#pragma once

#include <chrono>

namespace svtune {

inline double steady_seconds() {
  const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since_start).count();
}

}  // namespace svtune
