// A library to preload that stands in for the vector math's look-up of the processor and takes long
// between its two steps, so that what two threads do in that time is no matter of chance.
#include <atomic>
#include <chrono>
#include <thread>

namespace {

// The code is that of processors with AVX-512, which taken for a place means AVX2's least accurate
// kernels; the place is that of AVX2's kernels. Older processors can run neither: nothing is shown.
const bool has_kernels = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
constexpr int kUnknown = -1;
const int kCode = has_kernels ? 9 : 0, kPlace = has_kernels ? 3 : 0;

std::atomic<int> processor{kUnknown};

}  // namespace

extern "C" {

int mkl_vml_serv_cpu_detect() {
  int unknown = kUnknown;
  if (processor.compare_exchange_strong(unknown, kCode)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    processor = kPlace;
  }
  return processor;
}

// Whether anything has asked.
bool svtune_processor_looked_up() { return processor != kUnknown; }

}  // extern "C"
