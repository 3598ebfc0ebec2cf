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
  std::uint64_t cached = 0;  // bytes kept for reuse
  std::uint64_t peak = 0;    // largest `live` so far
};
AllocatorStats allocator_stats();

// Gives all cached blocks back to the system and starts `peak` anew, for a phase of its own.
void release_cached_blocks();

}  // namespace svtune
