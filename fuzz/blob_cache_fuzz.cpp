// Cache entries of arbitrary bytes: a file is found only as storing its content writes it, and
// removed when it is damaged; what is stored is found again until one bit of its file changes.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "base/blob_cache.h"
#include "base/files.h"

namespace {

constexpr std::uint64_t kLimit = 1 << 24;

// Of this process alone; removed at its end.
class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() /
              ("svtune_blob_cache_fuzz_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void require(bool holds) {
  if (!holds) std::abort();
}

void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Folder folder;
  const std::filesystem::path entry = folder.path() / "entry.svtcache";
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  svtune::BlobCache cache(folder.path(), kLimit);
  const auto file_of = [&](std::string_view content) {
    const std::string_view pieces[] = {content.substr(0, content.size() / 2),
                                       content.substr(content.size() / 2)};
    cache.store("entry", pieces);
    return svtune::read_file(entry, kLimit);
  };
  write_bytes(entry, bytes);
  const std::optional<std::string> found = cache.find("entry");
  require(std::filesystem::exists(entry) == (cache.damaged() == 0));
  if (found) require(file_of(*found) == bytes);
  std::string file = file_of(bytes);
  require(cache.find("entry") == bytes);
  char& changed = file[size == 0 ? 0 : data[size / 2] % file.size()];
  changed = static_cast<char>(changed ^ 1);
  write_bytes(entry, file);
  require(!cache.find("entry"));
  return 0;
}
