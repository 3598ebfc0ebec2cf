// The user's cache of decompositions: where it lies, how large it may grow.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/blob_cache.h"
#include "linalg/svd_cache.h"

namespace svtune {

struct UserSvdCache {
  UserSvdCache(std::filesystem::path directory, std::uint64_t limit)
      : store(std::move(directory), limit), svd(store) {}
  BlobCache store;
  SvdCache svd;
};

// Below user_cache_directory(); the limit is $SVTUNE_CACHE_GIB, by default 4. Null when there is
// no place for it. Throws UsageError for a limit that is no number.
std::unique_ptr<UserSvdCache> open_user_svd_cache();

// What went wrong with it, for the user: damaged entries, and why nothing is stored.
std::vector<std::string> cache_warnings(const UserSvdCache& cache);

}  // namespace svtune
