#include "data/random_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/errors.h"
#include "formats/compressed.h"

namespace svtune {
namespace {

std::string reason() { return std::strerror(errno); }

}  // namespace

bool is_plain_file(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  return compression_of(RandomFile::open(path).read(0, 4)) == Compression::kNone;
}

RandomFile::~RandomFile() {
  if (fd_ >= 0) ::close(fd_);
}

RandomFile::RandomFile(RandomFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), name_(std::move(other.name_)) {}

RandomFile& RandomFile::operator=(RandomFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(name_, other.name_);
  return *this;
}

RandomFile RandomFile::open(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw FileError(path.string(), "cannot open: " + reason());
  return RandomFile(fd, path.string());
}

RandomFile RandomFile::temporary() {
  std::string name = (std::filesystem::temp_directory_path() / "svtune-data-XXXXXX").string();
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) {
    throw FileError(name, "cannot create a temporary file: " + reason(),
                    "Set TMPDIR to a folder with free space.");
  }
  ::unlink(name.c_str());
  return RandomFile(fd, std::move(name));
}

void RandomFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      throw FileError(name_, "cannot write the unpacked data: " + reason(),
                      "Set TMPDIR to a folder with free space.");
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string RandomFile::read(std::uint64_t offset, std::size_t size) const {
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got =
        ::pread(fd_, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw FileError(name_, "cannot read: " + reason());
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace svtune
