// Reading files whole or mapped, and writing files and directories so that they appear
// complete or not at all: everything is written under a temporary name beside the target,
// flushed to the disk, and renamed. All failures are FileError with the system's reason.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace svtune {

namespace detail {
class FolderLock;
}

// Whole content of a regular file. Throws FileError when it is missing, not a regular file,
// unreadable, larger than max_bytes, or a Git LFS pointer.
std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes);

// Replaces `path` by `content` in one step.
void write_file_atomic(const std::filesystem::path& path, std::string_view content);

// Removes temporaries in `directory` that AtomicFile or AtomicDirectory left behind when
// their process was killed, which on disks without locks nobody can tell. Returns how many were
// removed; never throws for a missing folder.
std::size_t remove_stale_temporaries(const std::filesystem::path& directory);

// A file that replaces `path` when commit() is called; otherwise the destructor removes the
// temporary and `path` stays as it was. The parent folder must exist. What killed processes left
// behind of the same target is removed first. A link stays and what it leads to is replaced; a
// device or a pipe, which has no content to keep, is written to as it is.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  // Flushes, syncs, renames. No write may follow. Without `sync` a power failure may leave an
  // empty or partial file: for what can be made again and is checked on reading.
  void commit(bool sync = true);
  // The same under another name, e.g. for the part that was written before an error. Not for
  // one that is written in place.
  void commit_as(const std::filesystem::path& path, bool sync = true);
  std::uint64_t bytes_written() const noexcept { return bytes_written_; }
  const std::filesystem::path& path() const noexcept { return path_; }
  bool in_place() const noexcept { return temporary_.empty(); }

 private:
  void flush();
  [[noreturn]] void fail(const char* doing);
  void write_out(const char* data, std::size_t size);

  std::filesystem::path path_;
  std::filesystem::path target_;     // what is replaced
  std::filesystem::path temporary_;  // empty: in place
  std::vector<char> buffer_;
  std::uint64_t bytes_written_ = 0;
  int fd_ = -1;
};

enum class IfExists { kFail, kReplace, kUpdate };

// A directory that appears under `path` when commit() is called; fill staging() until then. A link
// to a directory stays, and that one is meant.
// kFail: an existing `path` must be an empty directory, checked now and at commit. kReplace:
// an existing directory is exchanged for the new one and removed. kUpdate: the same, but what lies
// there under names that the new one has not stays. What killed processes left behind of the same
// target is removed first.
class AtomicDirectory {
 public:
  explicit AtomicDirectory(std::filesystem::path path, IfExists if_exists = IfExists::kFail);
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  const std::filesystem::path& staging() const noexcept { return staging_; }
  void commit();

 private:
  std::filesystem::path path_;
  std::unique_ptr<detail::FolderLock> lock_;  // of the staging folder
  std::filesystem::path staging_;
  IfExists if_exists_;
};

// A regular file mapped for reading; a Git LFS pointer is refused. A file that another process
// truncates meanwhile raises SIGBUS on access, so keep mapped files on storage you trust.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  // Page-aligned start; valid as long as this object lives (moving keeps it valid).
  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  // Tells the system that these bytes will not be needed soon; they stay readable.
  void release_pages(std::span<const std::byte> part) const noexcept;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// What helps against a failed system call, by its errno; "" when nothing is known.
std::string hint_of_errno(int error);

// Throws FileError for "-", which elsewhere is standard output; "./-" is a file of that name.
void require_file_name(const std::filesystem::path& path);

namespace detail {
// Flushes a directory entry or file to the disk; errors are ignored (not all filesystems can).
void sync_path(const std::filesystem::path& path) noexcept;
}  // namespace detail

}  // namespace svtune
