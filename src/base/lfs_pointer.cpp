#include "base/lfs_pointer.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {
namespace {

constexpr std::size_t kMaxPointerBytes = 1024;  // of the specification

// " (2.34 GiB)" from the line "size 2512345678"; "" without one.
std::string size_text(std::string_view pointer) {
  const std::size_t line = pointer.find("\nsize ");
  if (line == std::string_view::npos) return "";
  std::uint64_t bytes = 0;
  const char* begin = pointer.data() + line + 6;
  const auto result = std::from_chars(begin, pointer.data() + pointer.size(), bytes);
  return result.ec == std::errc() ? " (" + format_bytes(bytes) + ")" : "";
}

}  // namespace

bool is_lfs_pointer(std::string_view start) {
  if (!start.starts_with("version https://")) return false;
  const std::string_view first = start.substr(0, std::min(start.find('\n'), start.size()));
  // The second is the address of before 2014.
  return first.find("git-lfs.github.com/spec") != std::string_view::npos ||
         first.find("hawser.github.com/spec") != std::string_view::npos;
}

void refuse_lfs_pointer(std::string_view start, const std::filesystem::path& path) {
  if (!is_lfs_pointer(start)) return;
  throw FileError(
      path.string(),
      "is a Git LFS pointer, not the file itself" + size_text(start.substr(0, kMaxPointerBytes)),
      "fetch the file with `git lfs pull`, or download it again");
}

}  // namespace svtune
