#include "images/idx.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "base/errors.h"
#include "formats/compressed.h"

namespace svtune {
namespace {

constexpr int kUnsignedBytes = 0x08, kDoubles = 0x0E;  // the first and the last type of elements
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 32;
constexpr std::size_t kChunk = std::size_t{1} << 20;

class IdxFile {
 public:
  explicit IdxFile(const std::filesystem::path& path) : source_(open_byte_source(path)) {}

  // Sizes of all dimensions, of which there must be `rank`.
  std::vector<std::uint32_t> sizes(int rank) {
    const auto magic = header<4>();
    if (magic[0] != 0 || magic[1] != 0) fail("this is no IDX file: it does not start with 0 0");
    if (magic[2] != kUnsignedBytes) {
      fail("IDX elements of type " + std::to_string(magic[2]) +
           "; only unsigned bytes (8) are read");
    }
    if (magic[3] != rank) {
      fail("an IDX file of " + std::to_string(magic[3]) + " dimensions, where " +
           std::to_string(rank) + " are needed");
    }
    std::vector<std::uint32_t> out;
    for (int i = 0; i < rank; ++i) {
      const auto bytes = header<4>();
      std::uint32_t size = 0;
      for (const std::uint8_t byte : bytes) size = size << 8 | byte;
      if (size == 0) fail("dimension " + std::to_string(i + 1) + " is 0");
      out.push_back(size);
    }
    return out;
  }

  // Grows with what is there, so that a header alone asks for no memory.
  std::vector<std::uint8_t> content(std::uint64_t bytes) {
    if (bytes > kMostBytes) fail("it says to hold " + std::to_string(bytes) + " bytes, too many");
    std::vector<std::uint8_t> out;
    while (out.size() < bytes) {
      const std::size_t before = out.size();
      const std::size_t wanted = std::min<std::uint64_t>(kChunk, bytes - before);
      out.resize(before + wanted);
      const std::size_t got = source_->read({reinterpret_cast<char*>(out.data()) + before, wanted});
      if (got < wanted) {
        fail("it ends after " + std::to_string(before + got) + " of " + std::to_string(bytes) +
             " bytes");
      }
    }
    char more = 0;
    if (source_->read({&more, 1}) != 0) fail("there is more than its sizes say");
    return out;
  }

  [[noreturn]] void fail(const std::string& what) const { throw FileError(source_->name(), what); }

 private:
  template <std::size_t Count>
  std::array<std::uint8_t, Count> header() {
    std::array<std::uint8_t, Count> out;
    if (source_->read({reinterpret_cast<char*>(out.data()), Count}) < Count) {
      fail("it ends within the header of an IDX file");
    }
    return out;
  }

  std::unique_ptr<ByteSource> source_;
};

}  // namespace

Image IdxImages::image(std::int64_t index) const {
  Image out = blank_image(size);
  const std::size_t pixels = out.rgb.size() / 3;
  const std::uint8_t* from = grey.data() + pixels * static_cast<std::size_t>(index);
  for (std::size_t i = 0; i < pixels; ++i) std::fill_n(out.rgb.data() + 3 * i, 3, from[i]);
  return out;
}

bool is_idx(const std::filesystem::path& path) {
  std::array<char, 4> magic;
  const std::size_t got = open_byte_source(path)->read(magic);
  return got == magic.size() && magic[0] == 0 && magic[1] == 0 && magic[2] >= kUnsignedBytes &&
         magic[2] <= kDoubles && magic[3] >= 1 && magic[3] <= 4;
}

IdxImages read_idx_images(const std::filesystem::path& path) {
  IdxFile file(path);
  const std::vector<std::uint32_t> sizes = file.sizes(3);
  const std::uint64_t pixels = std::uint64_t{sizes[1]} * sizes[2];
  if (pixels > static_cast<std::uint64_t>(kMostPixels))
    file.fail("its images have too many pixels");
  if (std::uint64_t{sizes[0]} > kMostBytes / pixels) file.fail("it holds too many bytes");
  IdxImages out;
  out.count = sizes[0];
  out.size = {static_cast<std::int32_t>(sizes[2]), static_cast<std::int32_t>(sizes[1])};
  out.grey = file.content(sizes[0] * pixels);
  return out;
}

std::vector<std::uint8_t> read_idx_labels(const std::filesystem::path& path) {
  IdxFile file(path);
  return file.content(file.sizes(1)[0]);
}

}  // namespace svtune
