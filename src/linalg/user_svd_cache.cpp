#include "linalg/user_svd_cache.h"

#include <cmath>
#include <cstdlib>
#include <optional>

#include "base/errors.h"
#include "base/number_text.h"

namespace svtune {
namespace {

constexpr double kDefaultGib = 4;

std::uint64_t cache_limit() {
  double limit = kDefaultGib;
  if (const char* text = std::getenv("SVTUNE_CACHE_GIB"); text && *text) {
    const std::optional<double> gib = parse_decimal(text);
    if (!gib || !(*gib >= 0 && *gib <= 1e6)) {
      throw UsageError("SVTUNE_CACHE_GIB: got \"" + std::string(text) +
                           "\", allowed are numbers from 0 to 1000000",
                       "It is the size of the cache in GiB; 0 stores nothing.");
    }
    limit = *gib;
  }
  return static_cast<std::uint64_t>(std::llround(limit * 0x1p30));
}

}  // namespace

std::unique_ptr<UserSvdCache> open_user_svd_cache() {
  const std::uint64_t limit = cache_limit();
  const auto directory = user_cache_directory();
  if (!directory) return nullptr;
  return std::make_unique<UserSvdCache>(*directory / "svd", limit);
}

std::vector<std::string> cache_warnings(const UserSvdCache& cache) {
  std::vector<std::string> warnings;
  if (cache.store.damaged() > 0) {
    warnings.push_back(std::to_string(cache.store.damaged()) + " damaged entries of " +
                       cache.store.directory().string() + " were made anew");
  }
  if (const std::string reason = cache.store.warning(); !reason.empty()) {
    warnings.push_back("decompositions are not cached: " + reason);
  }
  return warnings;
}

}  // namespace svtune
