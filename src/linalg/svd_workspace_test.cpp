// How much memory a decomposition takes beside its input: counted where ATen allocates, which
// includes the work arrays of LAPACK.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <unordered_map>

#include "linalg/parallel.h"
#include "linalg/svd.h"
#include "linalg/svd_test_util.h"

namespace svtune {
namespace svd_workspace_test {

using testing::model_like;

// Counts the bytes of live tensors on the way to the allocator that was there before.
class CountingAllocator final : public c10::Allocator {
 public:
  CountingAllocator() : before_(c10::GetAllocator(c10::kCPU)) {
    instance = this;
    c10::SetAllocator(c10::kCPU, this, /*priority=*/200);
  }
  c10::DataPtr allocate(std::size_t bytes) override {
    void* data = before_->raw_allocate(bytes);
    const std::lock_guard lock(mutex_);
    sizes_[data] = bytes;
    live_ += bytes;
    peak_ = std::max(peak_, live_);
    return {data, data, &CountingAllocator::release, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &CountingAllocator::release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

  // The largest number of bytes that `work` has alive at once beyond those before it.
  template <class Work>
  double peak_during(const Work& work) {
    const std::size_t start = live_;
    peak_ = live_;
    work();
    return static_cast<double>(peak_ - start);
  }

 private:
  static void release(void* data) {
    if (data == nullptr) return;
    {
      const std::lock_guard lock(instance->mutex_);
      instance->live_ -= instance->sizes_.at(data);
      instance->sizes_.erase(data);
    }
    instance->before_->raw_deallocate(data);
  }

  static CountingAllocator* instance;
  c10::Allocator* before_;
  std::mutex mutex_;
  std::unordered_map<void*, std::size_t> sizes_;
  std::size_t live_ = 0, peak_ = 0;
};
CountingAllocator* CountingAllocator::instance = nullptr;

CountingAllocator& counter() {
  static auto* allocator = new CountingAllocator;  // outlives every tensor
  return *allocator;
}

// In fp32 copies of the weight.
template <class Work>
double copies_during(const at::Tensor& weight, const Work& work) {
  return counter().peak_during(work) / (4.0 * static_cast<double>(weight.numel()));
}

// The shape of Qwen2.5-0.5B's largest matrices, halved.
constexpr std::int64_t kLong = 2432, kShort = 448;

TEST(SvdWorkspace, TruncatedTakesAtMostThreeCopies) {
  counter();
  for (const auto& [out, in] : {std::pair{kLong, kShort}, {kShort, kLong}}) {
    for (const auto dtype : {at::kBFloat16, at::kFloat}) {
      const at::Tensor weight = model_like(out, in, 3).to(dtype);
      for (const std::int64_t rank : {16, 64, 128}) {
        for (const SvdAlgorithm algorithm : {SvdAlgorithm::kExact, SvdAlgorithm::kFast}) {
          TruncatedSvdOptions options;
          options.algorithm = algorithm;
          const double copies =
              copies_during(weight, [&] { truncated_svd(weight, rank, options); });
          EXPECT_LT(copies, 3.0) << out << "x" << in << " " << dtype << " rank " << rank;
        }
      }
    }
  }
}

TEST(SvdWorkspace, FullTakesAtMostThreeCopiesBesideItsFactors) {
  counter();
  constexpr double kFactors = 1 + static_cast<double>(kShort) / kLong;
  for (const auto& [out, in] : {std::pair{kLong, kShort}, {kShort, kLong}}) {
    for (const auto dtype : {at::kBFloat16, at::kFloat}) {
      const at::Tensor weight = model_like(out, in, 3).to(dtype);
      EXPECT_LT(copies_during(weight, [&] { full_svd(weight); }), 3.0 + kFactors);
      EXPECT_LT(copies_during(weight, [&] { truncated_svd(weight, kShort); }), 3.0 + kFactors);
    }
  }
}

// A square weight is itself one of the n x n matrices of the eigenproblem, in half the precision.
TEST(SvdWorkspace, SquareWeightsAddSixMatricesOfTheEigenproblem) {
  counter();
  const at::Tensor weight = model_like(kShort, kShort, 3);
  EXPECT_LT(copies_during(weight, [&] { truncated_svd(weight, 128); }), 3.0 + 2 * 6);
  EXPECT_LT(copies_during(weight, [&] { full_svd(weight); }), 3.0 + 2 + 2 * 6);
}

}  // namespace svd_workspace_test
}  // namespace svtune
