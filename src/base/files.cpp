// Files: whole reads, mappings and atomic replacement (POSIX calls, so that errno is exact).
#include "base/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/errors.h"
#include "base/lfs_pointer.h"
#include "base/temporaries.h"
#include "base/temporary_locks.h"

namespace svtune {
namespace {

constexpr std::size_t kBufferBytes = 1 << 18;

[[noreturn]] void throw_errno(const std::filesystem::path& path, const std::string& doing) {
  const int error = errno;
  throw FileError(path.string(), doing + ": " + std::strerror(error), hint_of_errno(error));
}

// Opens a regular file for reading; returns the descriptor and sets `size`.
int open_regular(const std::filesystem::path& path, std::uint64_t& size) {
  // Without O_NONBLOCK a named pipe would block here for ever.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) throw_errno(path, "cannot open");
  struct stat info{};
  if (::fstat(fd, &info) != 0) {
    ::close(fd);
    throw_errno(path, "cannot stat");
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(fd);
    throw FileError(path.string(), S_ISDIR(info.st_mode) ? "is a directory, need a file"
                                                         : "is not a regular file");
  }
  size = static_cast<std::uint64_t>(info.st_size);
  return fd;
}

void discard(const std::filesystem::path& temporary) {
  detail::Temporaries temporaries;
  ::unlink(temporary.c_str());
  temporaries.forget(temporary);
}

// Where a link to a file leads; other paths as they are.
std::filesystem::path link_target(const std::filesystem::path& path) {
  std::error_code failed;
  if (!std::filesystem::is_symlink(path, failed)) return path;
  const std::filesystem::path target = std::filesystem::canonical(path, failed);
  return failed ? path : target;
}

bool rename_temporary(const std::filesystem::path& temporary, const std::filesystem::path& path) {
  detail::Temporaries temporaries;
  if (::rename(temporary.c_str(), path.c_str()) != 0) return false;
  temporaries.forget(temporary);
  return true;
}

}  // namespace

std::string hint_of_errno(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "free some space on that disk, or choose another output directory";
    case EACCES:
    case EPERM:
    case EROFS:
      return "check the permissions of the file and of its directory";
    case ENOENT:
    case ENOTDIR:
      return "check the spelling of the path";
    case EFBIG:
      return "raise the limit of file sizes (ulimit -f)";
    case ELOOP:
      return "a symbolic link on the way leads back to itself";
    case ENAMETOOLONG:
      return "choose a shorter name";
    case EMFILE:
      return "raise the limit of open files (ulimit -n)";
    default:
      return "";
  }
}

namespace detail {

void sync_path(const std::filesystem::path& path) noexcept {
  const int fd = ::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace detail

std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  std::uint64_t size = 0;
  const int fd = open_regular(path, size);
  if (size > max_bytes) {
    ::close(fd);
    throw FileError(path.string(), "has " + std::to_string(size) + " bytes, at most " +
                                       std::to_string(max_bytes) + " are accepted");
  }
  std::string content(size, '\0');
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t got = ::read(fd, content.data() + done, content.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int error = errno;
      ::close(fd);
      errno = error;
      throw_errno(path, "cannot read");
    }
    if (got == 0) break;  // truncated since fstat
    done += static_cast<std::size_t>(got);
  }
  ::close(fd);
  content.resize(done);
  refuse_lfs_pointer(content, path);
  return content;
}

void write_file_atomic(const std::filesystem::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

std::size_t remove_stale_temporaries(const std::filesystem::path& directory) {
  return detail::remove_all_stale(directory);
}

void require_file_name(const std::filesystem::path& path) {
  if (path != "-") return;
  throw FileError("-", "standard output cannot be written to here",
                  "Name a file or directory; ./- is one of that name.");
}

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  require_file_name(path_);
  if (!path_.has_filename()) throw FileError(path_.string(), "is not a file name");
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(path_, ignored);
  if (std::filesystem::is_directory(status)) {
    throw FileError(path_.string(), "is a directory, cannot be replaced by a file",
                    "Name a file in it.");
  }
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0) throw_errno(path_, "cannot open");
    return;
  }
  target_ = link_target(path_);
  detail::remove_stale_siblings(target_);
  detail::Temporaries temporaries;
  fd_ = detail::create_locked(target_, "", temporary_);
  if (fd_ < 0) throw_errno(path_, "cannot create");
  temporaries.add(temporary_);
  buffer_.reserve(kBufferBytes);
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!in_place()) discard(temporary_);
}

void AtomicFile::fail(const char* doing) {
  const int error = errno;
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  if (!in_place()) discard(temporary_);
  errno = error;
  throw_errno(path_, doing);
}

void AtomicFile::write_out(const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(fd_, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot write");
    data += written;
    size -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::flush() {
  write_out(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void AtomicFile::write(const void* data, std::size_t size) {
  if (fd_ < 0) throw FileError(path_.string(), "is already closed");
  const char* bytes = static_cast<const char*>(data);
  if (buffer_.size() + size > kBufferBytes) flush();
  if (size >= kBufferBytes) {
    write_out(bytes, size);
  } else {
    buffer_.insert(buffer_.end(), bytes, bytes + size);
  }
  bytes_written_ += size;
}

void AtomicFile::commit(bool sync) { commit_as(target_, sync); }

void AtomicFile::commit_as(const std::filesystem::path& path, bool sync) {
  if (fd_ < 0) throw FileError(path_.string(), "is already closed");
  flush();
  if (sync && ::fsync(fd_) != 0 && errno != EINVAL && errno != EROFS) fail("cannot flush to disk");
  // Some disks tell only at the end that they are full. Another descriptor keeps the lock, without
  // which others take the temporary for left over.
  const int lock = in_place() ? -1 : ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  const bool closed = ::close(std::exchange(fd_, -1)) == 0;
  const bool renamed = closed && (in_place() || rename_temporary(temporary_, path));
  const int error = errno;
  if (lock >= 0) ::close(lock);
  errno = error;
  if (!renamed) fail(closed ? "cannot replace" : "cannot close");
  if (sync && !in_place()) detail::sync_path(path.parent_path());
}

MappedFile::MappedFile(const std::filesystem::path& path) {
  std::uint64_t size = 0;
  const int fd = open_regular(path, size);
  size_ = size;
  if (size_ > 0) {
    void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    if (address == MAP_FAILED) {
      const int error = errno;
      ::close(fd);
      errno = error;
      throw_errno(path, "cannot map");
    }
    data_ = static_cast<const std::byte*>(address);
  }
  ::close(fd);
  const std::string_view text(reinterpret_cast<const char*>(data_), size_);
  if (is_lfs_pointer(text)) {
    const std::string pointer(text.substr(0, kBufferBytes));
    ::munmap(const_cast<std::byte*>(data_), size_);  // the destructor of a throwing one never runs
    refuse_lfs_pointer(pointer, path);
  }
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void MappedFile::release_pages(std::span<const std::byte> part) const noexcept {
  if (data_ == nullptr || part.empty()) return;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  // Only pages that lie wholly inside: the neighbours may be in use.
  const std::size_t begin = (static_cast<std::size_t>(part.data() - data_) + page - 1) / page;
  const std::size_t end = static_cast<std::size_t>(part.data() - data_ + part.size()) / page;
  if (end > begin) {
    ::madvise(const_cast<std::byte*>(data_) + begin * page, (end - begin) * page, MADV_DONTNEED);
  }
}

}  // namespace svtune
