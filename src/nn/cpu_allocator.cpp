#include "nn/cpu_allocator.h"

#include <c10/core/CPUAllocator.h>
#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <list>
#include <mutex>
#include <new>

namespace svtune {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHeader = 64;                   // bytes in front of every block
constexpr std::size_t kLarge = std::size_t{1} << 18;  // smaller blocks go to the C library
constexpr std::size_t kHugePage = std::size_t{1} << 21;
constexpr std::size_t kSlack = std::size_t{32} << 20;
// The need of late is that of the last one or two windows, each long enough to hand out this
// many times its peak: a few training steps.
constexpr std::size_t kWindow = 16;

// What stands in front of the memory handed out.
struct Header {
  std::size_t mapped;  // whole block in bytes, header included; 0: from the C library
  void* origin;        // then what is to be given back to it
};

// Rounds up in eighths of a power of two, so that similar sizes share blocks.
std::size_t size_class(std::size_t bytes) {
  const std::size_t unit = std::max<std::size_t>(4096, std::bit_floor(bytes) / 8);
  return (bytes + unit - 1) / unit * unit;
}

void* map_block(std::size_t bytes) {
  void* block = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) return nullptr;
  if (bytes >= kHugePage) ::madvise(block, bytes, MADV_HUGEPAGE);
  return block;
}

class Cache {
 public:
  void* take(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    // The smallest free block that fits without wasting more than an eighth.
    auto best = free_.end();
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      if (it->bytes >= bytes && it->bytes - bytes <= bytes / 8 &&
          (best == free_.end() || it->bytes < best->bytes)) {
        best = it;
        if (it->bytes == bytes) break;
      }
    }
    if (best != free_.end()) {
      const Free found = *best;
      free_.erase(best);
      stats_.cached -= found.bytes;
      hand_out(found.bytes);
      return header(found.block, found.bytes);
    }
    hand_out(bytes);
    trim();
    void* block = map_block(bytes);
    if (block == nullptr) {
      drop_all();
      block = map_block(bytes);
    }
    if (block == nullptr) {
      stats_.live -= bytes;
      return nullptr;
    }
    return header(block, bytes);
  }

  void give(void* block, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    stats_.live -= bytes;
    stats_.cached += bytes;
    free_.push_front({block, bytes});
    trim();
  }

  void start_anew() {
    const std::lock_guard lock(mutex_);
    drop_all();
    former_peak_ = peak_ = stats_.live;
    handed_out_ = 0;
  }

  AllocatorStats stats() {
    const std::lock_guard lock(mutex_);
    stats_.peak = std::max(peak_, former_peak_);
    return stats_;
  }

 private:
  struct Free {
    void* block;
    std::size_t bytes;
  };

  static void* header(void* block, std::size_t bytes) {
    static_cast<Header*>(block)->mapped = bytes;
    return static_cast<char*>(block) + kHeader;
  }

  void hand_out(std::size_t bytes) {
    stats_.live += bytes;
    peak_ = std::max(peak_, stats_.live);
    handed_out_ += bytes;
    if (handed_out_ / kWindow < std::max<std::uint64_t>(peak_, kSlack)) return;
    former_peak_ = peak_;
    peak_ = stats_.live;
    handed_out_ = 0;
  }

  // Keeps live and cached blocks together near the largest need of late: the longest unused
  // ones go back to the system.
  void trim() {
    const std::uint64_t peak = std::max(peak_, former_peak_);
    const std::uint64_t allowed = peak + peak / 16 + kSlack;
    while (!free_.empty() && stats_.live + stats_.cached > allowed) drop_oldest();
  }

  void drop_oldest() {
    const Free last = free_.back();
    free_.pop_back();
    stats_.cached -= last.bytes;
    ::munmap(last.block, last.bytes);
  }

  void drop_all() {
    while (!free_.empty()) drop_oldest();
  }

  std::mutex mutex_;
  std::list<Free> free_;  // newest first
  AllocatorStats stats_;
  std::uint64_t peak_ = 0, former_peak_ = 0;  // largest live bytes of this window and the last
  std::uint64_t handed_out_ = 0;              // bytes in this window
};

// Never destroyed: tensors with static lifetime may be freed after it would be.
Cache& cache() {
  static Cache* const instance = new Cache;
  return *instance;
}

void release(void* data) {
  if (data == nullptr) return;
  void* block = static_cast<char*>(data) - kHeader;
  const std::size_t mapped = static_cast<Header*>(block)->mapped;
  if (mapped == 0) {
    std::free(static_cast<Header*>(block)->origin);
  } else {
    cache().give(block, mapped);
  }
}

// Aligned by hand: aligned_alloc of glibc before 2.38 never takes a freed block of the same size
// again (glibc bug 14581), so that the heap grows with every step.
void* obtain_small(std::size_t whole) {
  void* origin = std::malloc(whole + kAlignment - 1);
  if (origin == nullptr) return nullptr;
  const auto address = reinterpret_cast<std::uintptr_t>(origin);
  auto* block =
      static_cast<char*>(origin) + ((address + kAlignment - 1) / kAlignment * kAlignment - address);
  *reinterpret_cast<Header*>(block) = {0, origin};
  return block + kHeader;
}

void* obtain(std::size_t bytes) {
  const std::size_t whole = bytes + kHeader;
  void* data = nullptr;
  if (whole >= kLarge) {
    data = cache().take(size_class(whole));
  } else {
    data = obtain_small(whole);
  }
  if (data == nullptr) throw std::bad_alloc();
  return data;
}

class CachingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &release, c10::Device(c10::kCPU)};
    void* data = obtain(bytes);
    return {data, data, &release, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* target, const void* source, std::size_t count) const override {
    std::memcpy(target, source, count);
  }
};

}  // namespace

void install_caching_allocator() {
  static CachingAllocator* const allocator = [] {
    auto* made = new CachingAllocator;
    c10::SetCPUAllocator(made, /*priority=*/1);
    return made;
  }();
  (void)allocator;
}

AllocatorStats allocator_stats() { return cache().stats(); }

void release_cached_blocks() {
  cache().start_anew();
  ::malloc_trim(0);
}

}  // namespace svtune
