#include "quant/kernels/block_kernels.h"

#include <atomic>

#include "quant/kernels/isa.h"

namespace svtune::kernels {
namespace {

std::atomic<const BlockKernels*> forced{nullptr};

std::vector<const BlockKernels*> find_supported() {
  std::vector<const BlockKernels*> found;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx2 && avx512) found.push_back(&avx512_block_kernels());
  if (avx2) found.push_back(&avx2_block_kernels());
#endif
  found.push_back(&portable_block_kernels());
  return found;
}

}  // namespace

const std::vector<const BlockKernels*>& supported_block_kernels() {
  static const std::vector<const BlockKernels*> found = find_supported();
  return found;
}

const BlockKernels& block_kernels() {
  const BlockKernels* chosen = forced.load(std::memory_order_relaxed);
  return chosen != nullptr ? *chosen : *supported_block_kernels().front();
}

ForceBlockKernels::ForceBlockKernels(const BlockKernels& chosen) { forced = &chosen; }
ForceBlockKernels::~ForceBlockKernels() { forced = nullptr; }

}  // namespace svtune::kernels
