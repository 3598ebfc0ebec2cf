#include "cli/cache_command.h"

#include <algorithm>
#include <chrono>

#include "base/errors.h"
#include "base/text_util.h"
#include "io/arithmetic.h"
#include "linalg/user_svd_cache.h"

namespace svtune {
namespace {

// "3 min", "5 h", "12 days".
std::string age_of(std::filesystem::file_time_type time) {
  const auto passed = std::filesystem::file_time_type::clock::now() - time;
  const auto minutes =
      std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::minutes>(passed).count());
  if (minutes < 120) return std::to_string(minutes) + " min";
  if (minutes < 48 * 60) return std::to_string(minutes / 60) + " h";
  return std::to_string(minutes / (24 * 60)) + " days";
}

void list(const BlobCache& store, std::ostream& out) {
  const std::vector<CacheEntry> entries = store.entries();
  std::uint64_t total = 0;
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    out << entry->key << "  " << format_bytes(entry->bytes) << ", used " << age_of(entry->used)
        << " ago\n";
    total += entry->bytes;
  }
  out << format_count(entries.size()) << (entries.size() == 1 ? " entry, " : " entries, ")
      << format_bytes(total) << " of " << format_bytes(store.limit()) << " in "
      << store.directory().string() << "\n";
}

}  // namespace

int run(const CacheOptions& options, CommandContext& context) {
  const auto cache = open_user_svd_cache();
  if (!cache) {
    throw RunError("there is no place for a cache",
                   "Set SVTUNE_CACHE_DIR to a directory, or HOME.");
  }
  if (options.action == CacheAction::kList) {
    list(cache->store, context.out);
    return 0;
  }
  std::size_t count = cache->store.entries().size();
  std::uint64_t freed = cache->store.clear();
  if (std::optional<BlobCache> rates = open_arithmetic_cache()) {
    count += rates->entries().size();
    freed += rates->clear();
  }
  context.out << "Removed " << format_count(count) << (count == 1 ? " entry, " : " entries, ")
              << format_bytes(freed) << "\n";
  return 0;
}

}  // namespace svtune
