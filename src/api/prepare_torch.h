// How LibTorch runs in this process.
#pragma once

#include <cstdint>

namespace svtune {

// Bounds LibTorch's caches of compiled products and sets the number of threads; 0 gives one per
// core that this process may use (affinity and control group's quota).
void prepare_torch(std::int64_t threads);

}  // namespace svtune
