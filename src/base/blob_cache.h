// A directory of results that are dear to compute: bytes by key, shared by all processes of a
// user, limited in size.
//
// An entry is one file, written under a temporary name and renamed; a checksum finds entries
// that were damaged, which count as absent and are removed. The least recently used entries
// make room for new ones, but never those that this object has read or written: a run whose
// entries exceed the limit keeps as many as fit and finds them the next time, where evicting its
// own would leave it none. A cache must never stop a run: where it cannot be written to, nothing
// is stored and warning() says why.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace svtune {

struct CacheEntry {
  std::string key;
  std::uint64_t bytes = 0;
  std::filesystem::file_time_type used;  // last written or read
};

class BlobCache {
 public:
  // The directory is created with the first entry. `limit` bounds the sum of all entries.
  BlobCache(std::filesystem::path directory, std::uint64_t limit);

  // What was stored under `key` (letters, digits, '-'); marks it as used.
  std::optional<std::string> find(const std::string& key);

  // The pieces, one after the other; replaces an earlier entry. Not stored where the limit leaves
  // no room beside what this object has used. Never throws for a full or read-only disk. Safe to
  // call from several threads, which write at the same time.
  void store(const std::string& key, std::span<const std::string_view> pieces);

  // Oldest use first. Empty when there is no directory yet.
  std::vector<CacheEntry> entries() const;

  // Removes every entry and returns the freed bytes; other files stay. Throws FileError when
  // one cannot be removed.
  std::uint64_t clear();

  const std::filesystem::path& directory() const { return directory_; }
  std::uint64_t limit() const { return limit_; }
  // Why nothing is stored any more; empty while storing works.
  std::string warning() const;
  std::int64_t damaged() const;  // entries that failed their checksum

 private:
  std::filesystem::path path_of(const std::string& key) const;
  bool claim(const std::string& key, std::uint64_t bytes);
  void unclaim(const std::string& key);
  void make_room();
  void write(const std::string& key, std::span<const std::string_view> pieces);

  const std::filesystem::path directory_;
  const std::uint64_t limit_;
  mutable std::mutex mutex_;                                // guards what follows
  std::unordered_map<std::string, std::uint64_t> claimed_;  // bytes of the entries in use
  std::uint64_t claimed_bytes_ = 0;
  std::string warning_;
  std::int64_t damaged_ = 0;
};

// $SVTUNE_CACHE_DIR, else $XDG_CACHE_HOME/svtune, else ~/.cache/svtune; nothing when no
// variable names a place.
std::optional<std::filesystem::path> user_cache_directory();

}  // namespace svtune
