#include "adapters/svft/positions.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "base/random.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// Flat positions i * n + j, ascending.
at::Tensor unflatten(const std::vector<std::int64_t>& flat, std::int64_t n) {
  const auto count = static_cast<std::int64_t>(flat.size());
  at::Tensor positions = at::empty({2, count}, at::kInt);
  std::int32_t* rows = positions.mutable_data_ptr<std::int32_t>();
  std::int32_t* columns = rows + count;
  for (std::int64_t k = 0; k < count; ++k) {
    rows[k] = static_cast<std::int32_t>(flat[k] / n);
    columns[k] = static_cast<std::int32_t>(flat[k] % n);
  }
  return positions;
}

}  // namespace

std::int64_t banded_count(std::int64_t n, std::int64_t d) { return n * (2 * d + 1) - d * (d + 1); }

at::Tensor banded_positions(std::int64_t n, std::int64_t d) {
  std::vector<std::int64_t> flat;
  flat.reserve(static_cast<std::size_t>(banded_count(n, d)));
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t last = std::min(n - 1, i + d);
    for (std::int64_t j = std::max<std::int64_t>(0, i - d); j <= last; ++j) {
      flat.push_back(i * n + j);
    }
  }
  return unflatten(flat, n);
}

// Floyd's sampling: uniform over all sets of `count` distinct positions, in `count` draws.
at::Tensor random_positions(std::int64_t n, std::int64_t count, std::uint64_t seed) {
  Xoshiro256 random(seed);
  std::unordered_set<std::int64_t> chosen;
  chosen.reserve(static_cast<std::size_t>(count) * 2);
  for (std::int64_t last = n * n - count; last < n * n; ++last) {
    const auto drawn =
        static_cast<std::int64_t>(random.bounded(static_cast<std::uint64_t>(last) + 1));
    if (!chosen.insert(drawn).second) chosen.insert(last);
  }
  std::vector<std::int64_t> flat(chosen.begin(), chosen.end());
  std::sort(flat.begin(), flat.end());
  return unflatten(flat, n);
}

at::Tensor top_positions(const at::Tensor& alignment, std::int64_t count) {
  const at::Tensor top =
      std::get<1>(at::topk(alignment.abs().flatten(), count, 0, /*largest=*/true, false));
  const at::Tensor sorted = std::get<0>(top.to(at::kCPU).sort());
  const std::int64_t* data = sorted.const_data_ptr<std::int64_t>();
  return unflatten({data, data + sorted.numel()}, alignment.size(0));
}

}  // namespace svtune
