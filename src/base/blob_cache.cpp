#include "base/blob_cache.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/hash.h"

namespace svtune {
namespace {

constexpr char kSuffix[] = ".svtcache";
constexpr std::string_view kMagic = "svtcache";

// Before the content of every entry; fixed width, so that it can be compared at once.
struct Header {
  char magic[8];
  std::uint64_t size;
  std::uint64_t checksum;
};

Header header_of(std::span<const std::string_view> pieces) {
  Header header{};
  std::copy(kMagic.begin(), kMagic.end(), header.magic);
  Hasher64 hasher;
  for (const std::string_view piece : pieces) {
    hasher.update(piece);
    header.size += piece.size();
  }
  header.checksum = hasher.digest();
  return header;
}

bool is_intact(const std::string& file) {
  if (file.size() < sizeof(Header)) return false;
  const std::string_view content = std::string_view(file).substr(sizeof(Header));
  const Header expected = header_of(std::span(&content, 1));
  return std::memcmp(file.data(), &expected, sizeof expected) == 0;
}

std::optional<std::filesystem::path> directory_in(const char* variable, const char* below) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::filesystem::path(value) / below;
}

}  // namespace

BlobCache::BlobCache(std::filesystem::path directory, std::uint64_t limit)
    : directory_(std::move(directory)), limit_(limit) {}

std::filesystem::path BlobCache::path_of(const std::string& key) const {
  return directory_ / (key + kSuffix);
}

std::optional<std::string> BlobCache::find(const std::string& key) {
  const std::filesystem::path path = path_of(key);
  std::string file;
  try {
    file = read_file(path, limit_ + sizeof(Header));
  } catch (const FileError&) {
    return std::nullopt;  // absent, or evicted by another process just now
  }
  std::error_code ignored;
  if (!is_intact(file)) {
    std::filesystem::remove(path, ignored);
    const std::lock_guard lock(mutex_);
    ++damaged_;
    return std::nullopt;
  }
  std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now(), ignored);
  {
    const std::lock_guard lock(mutex_);
    claim(key, file.size());
  }
  file.erase(0, sizeof(Header));
  return file;
}

void BlobCache::write(const std::string& key, std::span<const std::string_view> pieces) {
  std::filesystem::create_directories(directory_);
  const Header header = header_of(pieces);
  AtomicFile file(path_of(key));
  file.write(&header, sizeof header);
  for (const std::string_view piece : pieces) file.write(piece);
  file.commit(/*sync=*/false);
}

void BlobCache::store(const std::string& key, std::span<const std::string_view> pieces) {
  std::uint64_t bytes = sizeof(Header);
  for (const std::string_view piece : pieces) bytes += piece.size();
  {
    const std::lock_guard lock(mutex_);
    if (!warning_.empty() || !claim(key, bytes)) return;
    make_room();
  }
  std::string failure;
  try {
    write(key, pieces);
    return;
  } catch (const FileError& error) {
    failure = error.what();
  } catch (const std::filesystem::filesystem_error& error) {
    failure = directory_.string() + ": " + error.code().message();
  }
  const std::lock_guard lock(mutex_);
  unclaim(key);
  warning_ = failure;
}

bool BlobCache::claim(const std::string& key, std::uint64_t bytes) {
  const auto held = claimed_.find(key);
  const std::uint64_t before = held == claimed_.end() ? 0 : held->second;
  if (claimed_bytes_ - before + bytes > limit_) return false;
  claimed_bytes_ += bytes - before;
  claimed_[key] = bytes;
  return true;
}

void BlobCache::unclaim(const std::string& key) {
  claimed_bytes_ -= claimed_.at(key);
  claimed_.erase(key);
}

// Before writing, so that the limit holds at every moment (of one process; several at once may
// exceed it by the entries they are writing).
void BlobCache::make_room() {
  const std::vector<CacheEntry> known = entries();
  std::uint64_t total = claimed_bytes_;
  for (const CacheEntry& entry : known) total += claimed_.contains(entry.key) ? 0 : entry.bytes;
  for (const CacheEntry& entry : known) {
    if (total <= limit_) return;
    if (claimed_.contains(entry.key)) continue;
    std::error_code ignored;  // another process may have removed it
    std::filesystem::remove(path_of(entry.key), ignored);
    total -= entry.bytes;
  }
}

std::vector<CacheEntry> BlobCache::entries() const {
  std::vector<CacheEntry> entries;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory_, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() != kSuffix || it->path().stem().string().starts_with('.')) continue;
    std::error_code gone;
    CacheEntry entry{it->path().stem().string(), it->file_size(gone), {}};
    if (!gone) entry.used = it->last_write_time(gone);
    if (!gone) entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(), [](const CacheEntry& a, const CacheEntry& b) {
    return std::pair(a.used, a.key) < std::pair(b.used, b.key);
  });
  return entries;
}

std::uint64_t BlobCache::clear() {
  std::uint64_t freed = 0;
  for (const CacheEntry& entry : entries()) {
    std::error_code error;
    std::filesystem::remove(path_of(entry.key), error);
    if (error) throw FileError(path_of(entry.key).string(), "cannot remove: " + error.message());
    freed += entry.bytes;
  }
  remove_stale_temporaries(directory_);
  return freed;
}

std::string BlobCache::warning() const {
  const std::lock_guard lock(mutex_);
  return warning_;
}

std::int64_t BlobCache::damaged() const {
  const std::lock_guard lock(mutex_);
  return damaged_;
}

std::optional<std::filesystem::path> user_cache_directory() {
  if (auto own = directory_in("SVTUNE_CACHE_DIR", "")) return own;
  if (auto common = directory_in("XDG_CACHE_HOME", "svtune")) return common;
  return directory_in("HOME", ".cache/svtune");
}

}  // namespace svtune
