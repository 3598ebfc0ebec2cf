#include "api/prepare_torch.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

#include "libtorch/prelude.h"

namespace svtune {
namespace {

// Cores this process may run on.
std::int64_t allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

// Cores that the control group's quota pays for; a large number without a quota.
std::int64_t quota_cores() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  double quota = 0, period = 0;  // "max" in place of a quota is no number
  if (!(file >> quota >> period) || period <= 0) return 1 << 16;
  return std::max<std::int64_t>(1, std::llround(quota / period));
}

// LibTorch keeps a thousand compiled bf16 products, one per shape, at up to a megabyte each. The
// shapes of packed batches never return, so only those of one step are worth their memory. What
// the user has set stays; both are read when the first product is made.
void bound_product_caches() {
  constexpr const char* kProducts = "64";
  for (const char* name : {"ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"}) {
    ::setenv(name, kProducts, /*overwrite=*/0);
  }
}

}  // namespace

void prepare_torch(std::int64_t threads) {
  bound_product_caches();
  at::set_num_threads(
      static_cast<int>(threads > 0 ? threads : std::min(allowed_cores(), quota_cores())));
}

}  // namespace svtune
