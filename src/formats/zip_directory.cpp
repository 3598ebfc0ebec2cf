#include "formats/zip_directory.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/errors.h"

namespace svtune {
namespace {

constexpr std::uint32_t kLocalMark = 0x04034b50, kEntryMark = 0x02014b50, kEndMark = 0x06054b50,
                        kEnd64Mark = 0x06064b50, kLocator64Mark = 0x07064b50;
constexpr std::uint64_t kLocalBytes = 30, kEntryBytes = 46, kEndBytes = 22, kLocator64Bytes = 20,
                        kEnd64Bytes = 56;
constexpr std::uint64_t kLongestComment = 0xFFFF;
constexpr std::uint32_t kIn64 = 0xFFFFFFFF;  // the number is in the zip64 part instead

class ZipReader {
 public:
  ZipReader(std::span<const std::byte> file, const std::string& source)
      : file_(file), source_(source) {}

  std::vector<ZipEntry> entries() const {
    const Directory directory = find_directory();
    std::vector<ZipEntry> list;
    std::set<std::string> names;
    std::uint64_t at = directory.begin;
    for (std::uint64_t i = 0; i < directory.count; ++i) {
      if (at >= directory.end) fail("its directory ends before its last entry");
      list.push_back(entry(at));
      if (!names.insert(list.back().name).second) fail("two entries have one name");
    }
    return list;
  }

 private:
  struct Directory {
    std::uint64_t begin = 0, end = 0, count = 0;
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw FileError(source_, "zip archive: " + what,
                    "The file is truncated or damaged: copy or download it again.");
  }

  std::span<const std::byte> part(std::uint64_t begin, std::uint64_t size) const {
    if (begin > file_.size() || size > file_.size() - begin) {
      fail("names bytes beyond its end");
    }
    return file_.subspan(begin, size);
  }

  template <class Number>
  Number number(std::uint64_t at) const {
    Number value;
    std::memcpy(&value, part(at, sizeof value).data(), sizeof value);
    return value;
  }

  // The record at the end, behind which only the comment lies whose length it has.
  std::uint64_t find_end() const {
    if (file_.size() >= kEndBytes) {
      const std::uint64_t last = file_.size() - kEndBytes;
      const std::uint64_t first = last - std::min(last, kLongestComment);
      for (std::uint64_t at = last + 1; at-- > first;) {
        const bool ends =
            number<std::uint32_t>(at) == kEndMark && number<std::uint16_t>(at + 20) == last - at;
        if (ends) return at;
      }
    }
    fail("its directory, which is the file's end, is missing");
  }

  Directory find_directory() const {
    const std::uint64_t end = find_end();
    Directory directory;
    directory.count = number<std::uint16_t>(end + 10);
    directory.begin = number<std::uint32_t>(end + 16);
    directory.end = directory.begin + number<std::uint32_t>(end + 12);
    if (end >= kLocator64Bytes && number<std::uint32_t>(end - kLocator64Bytes) == kLocator64Mark) {
      const auto end64 = number<std::uint64_t>(end - kLocator64Bytes + 8);
      part(end64, kEnd64Bytes);
      if (number<std::uint32_t>(end64) != kEnd64Mark) fail("its zip64 record is misplaced");
      directory.count = number<std::uint64_t>(end64 + 32);
      directory.begin = number<std::uint64_t>(end64 + 48);
      const auto size = number<std::uint64_t>(end64 + 40);
      part(directory.begin, size);
      directory.end = directory.begin + size;
    }
    part(directory.begin, directory.end - directory.begin);
    return directory;
  }

  // Reads the entry of the directory at `at` and steps behind it.
  ZipEntry entry(std::uint64_t& at) const {
    if (number<std::uint32_t>(at) != kEntryMark) fail("its directory is damaged");
    const auto flags = number<std::uint16_t>(at + 8);
    const auto method = number<std::uint16_t>(at + 10);
    const auto name_size = number<std::uint16_t>(at + 28);
    const auto extra_size = number<std::uint16_t>(at + 30);
    const auto comment_size = number<std::uint16_t>(at + 32);
    const auto name = part(at + kEntryBytes, name_size);
    ZipEntry entry{.name = std::string(reinterpret_cast<const char*>(name.data()), name.size())};
    if (method != 0 || (flags & 1U) != 0) {
      throw FileError(source_, "zip archive: compressed or encrypted, which torch.save never does",
                      "Save the model's state dict, best as safetensors.");
    }
    const Sizes sizes = sizes_of(at, part(at + kEntryBytes + name_size, extra_size));
    entry.size = sizes.stored;
    entry.begin = data_begin(sizes.local);
    part(entry.begin, entry.size);
    at += kEntryBytes + name_size + extra_size + comment_size;
    return entry;
  }

  struct Sizes {
    std::uint64_t stored = 0, local = 0;  // bytes; where the local header lies
  };

  // Numbers that do not fit 32 bits follow each other in the extra field of number 1.
  Sizes sizes_of(std::uint64_t at, std::span<const std::byte> extra) const {
    const auto stored = number<std::uint32_t>(at + 20), whole = number<std::uint32_t>(at + 24),
               local = number<std::uint32_t>(at + 42);
    Sizes sizes{stored, local};
    std::vector<std::uint64_t*> wanted;
    std::uint64_t unused = 0;
    if (whole == kIn64) wanted.push_back(&unused);
    if (stored == kIn64) wanted.push_back(&sizes.stored);
    if (local == kIn64) wanted.push_back(&sizes.local);
    if (wanted.empty()) return sizes;
    while (extra.size() >= 4) {
      std::uint16_t kind = 0, size = 0;
      std::memcpy(&kind, extra.data(), sizeof kind);
      std::memcpy(&size, extra.data() + 2, sizeof size);
      extra = extra.subspan(4);
      if (size > extra.size()) break;
      if (kind == 1 && size >= wanted.size() * sizeof(std::uint64_t)) {
        for (std::size_t i = 0; i < wanted.size(); ++i) {
          std::memcpy(wanted[i], extra.data() + i * sizeof(std::uint64_t), sizeof(std::uint64_t));
        }
        return sizes;
      }
      extra = extra.subspan(size);
    }
    fail("an entry lacks its zip64 numbers");
  }

  // The local header's name and padding may differ from the directory's.
  std::uint64_t data_begin(std::uint64_t local) const {
    part(local, kLocalBytes);
    if (number<std::uint32_t>(local) != kLocalMark) fail("an entry is misplaced");
    return local + kLocalBytes + number<std::uint16_t>(local + 26) +
           number<std::uint16_t>(local + 28);
  }

  std::span<const std::byte> file_;
  const std::string& source_;
};

}  // namespace

bool is_zip(std::span<const std::byte> file) {
  std::uint32_t mark = 0;
  if (file.size() < sizeof mark) return false;
  std::memcpy(&mark, file.data(), sizeof mark);
  return mark == kLocalMark || mark == kEndMark;
}

std::vector<ZipEntry> read_zip_directory(std::span<const std::byte> file,
                                         const std::string& source) {
  return ZipReader(file, source).entries();
}

}  // namespace svtune
