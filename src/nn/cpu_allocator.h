// A caching allocator for CPU tensors: large blocks stay mapped between steps and are reused,
// with huge pages where the system offers them. Touching fresh memory costs several times a
// copy, and the C library's heap fragments when batch sizes vary.
#pragma once

#include <cstdint>

namespace svtune {

// Makes it LibTorch's CPU allocator for the rest of the process. Call once, at the start of a
// program, before threads allocate tensors; further calls do nothing. A library user who
// brings an own allocator simply does not call it.
void install_caching_allocator();

struct AllocatorStats {
  std::uint64_t live = 0;    // bytes in use by tensors, large blocks only
  std::uint64_t cached = 0;  // bytes kept for reuse: with `live` not much above `peak`
  std::uint64_t peak = 0;    // largest `live` of late: it falls when tensors stay smaller
};
AllocatorStats allocator_stats();

// Gives all cached blocks back to the system, and what the C library keeps of freed memory, and
// starts `peak` anew: at the end of a phase that needed more than the next one does. Also of use
// to a process without the allocator.
void release_cached_blocks();

}  // namespace svtune
