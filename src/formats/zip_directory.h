// Where the files of a zip archive lie in it, of archives that store without compressing.
// Format: PKWARE's APPNOTE.TXT, with zip64.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace svtune {

struct ZipEntry {
  std::string name;
  std::uint64_t begin = 0;  // bytes from the start of the archive
  std::uint64_t size = 0;
};

bool is_zip(std::span<const std::byte> file);

// In the directory's order; every entry lies inside the archive. Throws FileError naming `source`:
// truncated (the directory is a zip file's end), compressed, encrypted or misplaced entries,
// two of one name.
std::vector<ZipEntry> read_zip_directory(std::span<const std::byte> file,
                                         const std::string& source);

}  // namespace svtune
