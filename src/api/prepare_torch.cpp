#include "api/prepare_torch.h"

#include <cstdlib>

#include "libtorch/prelude.h"
#include "libtorch/vector_math.h"

namespace svtune {
namespace {

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

ThreadChoice prepare_torch(std::int64_t threads) {
  bound_product_caches();
  ThreadChoice choice = choose_threads(threads, thread_limits());
  at::set_num_threads(static_cast<int>(choice.count));
  settle_vector_math();
  return choice;
}

}  // namespace svtune
