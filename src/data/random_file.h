// A file read at any offset, without mapping it: pages that were read do not count as this
// process's memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace svtune {

// Whether the path is a regular file without compression, whose bytes are its content.
bool is_plain_file(const std::filesystem::path& path);

class RandomFile {
 public:
  RandomFile() = default;
  ~RandomFile();
  RandomFile(RandomFile&& other) noexcept;
  RandomFile& operator=(RandomFile&& other) noexcept;

  // Throws FileError when the file cannot be opened.
  static RandomFile open(const std::filesystem::path& path);
  // A new, empty file in the system's folder for temporaries (TMPDIR) that vanishes with the
  // object, even when the process is killed.
  static RandomFile temporary();

  // Appends to a temporary file. Throws FileError when the disk is full.
  void append(std::string_view bytes);
  // The bytes from `offset` on, fewer only at the end of the file. Safe from several threads.
  std::string read(std::uint64_t offset, std::size_t size) const;

 private:
  RandomFile(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  int fd_ = -1;
  std::string name_;
};

}  // namespace svtune
