#include "nn/base_weight.h"
#include "nn/cpu_allocator.h"
#include "svtune/memory.h"

namespace svtune {

void use_caching_allocator() { install_caching_allocator(); }

void release_memory() {
  release_product_buffers();
  release_cached_blocks();
}

}  // namespace svtune
