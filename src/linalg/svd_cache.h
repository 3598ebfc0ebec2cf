// Decompositions kept on disk: the second initialisation of the same weights only reads.
//
// The key is a hash of the weight's values, shape and type, of the request, of the version of the
// algorithms and of the instruction sets they may choose from, so that a result found is bit for
// bit the one that would be computed here.
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/blob_cache.h"
#include "linalg/svd.h"

namespace svtune {

class SvdCache {
 public:
  // Weights with fewer than `smallest` rows or columns are always computed. `store` must outlive
  // this object. Safe to use from several threads.
  explicit SvdCache(BlobCache& store, std::int64_t smallest = kSmallest)
      : store_(store), smallest_(smallest) {}

  // As the functions of the same names, from the store where it has them.
  TruncatedSvd truncated(const at::Tensor& weight, std::int64_t rank,
                         const TruncatedSvdOptions& options);
  ThinSvd full(const at::Tensor& weight);

  const BlobCache& store() const { return store_; }
  std::int64_t found() const { return found_; }      // results read
  std::int64_t missing() const { return missing_; }  // results computed

  // Below this a decomposition takes no longer than reading and checking an entry.
  static constexpr std::int64_t kSmallest = 64;

 private:
  template <class Result>
  Result get(const at::Tensor& weight, const std::string& request,
             const std::function<Result()>& compute);

  BlobCache& store_;
  const std::int64_t smallest_;
  std::atomic<std::int64_t> found_ = 0, missing_ = 0;
};

// Through the cache where there is one.
TruncatedSvd truncated_svd(SvdCache* cache, const at::Tensor& weight, std::int64_t rank,
                           const TruncatedSvdOptions& options);
ThinSvd full_svd(SvdCache* cache, const at::Tensor& weight);

}  // namespace svtune
