// How much of a matrix a thread takes at a time.
#pragma once

#include <cstdint>

namespace svtune {

inline constexpr std::int64_t kValuesPerTask = 1 << 15;

}  // namespace svtune
