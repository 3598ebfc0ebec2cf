// A stream of bytes from a file or from standard input, decompressed on the fly when it
// starts with the magic number of gzip or zstd (the file name does not matter).
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace svtune {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills `into` as far as possible; fewer bytes than asked, down to 0, only at the end.
  // Throws FileError when the stream is truncated or damaged.
  virtual std::size_t read(std::span<char> into) = 0;
  // Path as given, or "standard input".
  virtual const std::string& name() const = 0;
};

enum class Compression { kNone, kGzip, kZstd };

// By the magic number that `start`, the first four bytes of a file or more, begins with.
Compression compression_of(std::string_view start);

// Opens a regular file, named pipe or character device, or standard input for "-". Throws
// FileError when it cannot be opened or is a directory. Several gzip members or zstd frames
// in a row are read as one stream.
std::unique_ptr<ByteSource> open_byte_source(const std::filesystem::path& path);

}  // namespace svtune
