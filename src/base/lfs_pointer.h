// Git LFS pointers: short texts that stand in a repository for a large file. A clone without Git
// LFS, or a download of the wrong address, leaves them in place of the file.
#pragma once

#include <filesystem>
#include <string_view>

namespace svtune {

// Whether a file that begins with `start` (at least 200 bytes, or all of it) is one.
bool is_lfs_pointer(std::string_view start);

// Throws FileError naming the path and the size of the file that is missing when it is.
void refuse_lfs_pointer(std::string_view start, const std::filesystem::path& path);

}  // namespace svtune
