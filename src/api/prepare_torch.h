// How LibTorch runs in this process.
#pragma once

#include <cstdint>

#include "api/thread_count.h"

namespace svtune {

// Bounds LibTorch's caches of compiled products, sets the number of threads, which it returns with
// the reason (api/thread_count.h), and settles the vector math (libtorch/vector_math.h).
ThreadChoice prepare_torch(std::int64_t threads);

}  // namespace svtune
