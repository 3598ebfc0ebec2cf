// The version of the library that is linked.
#pragma once

namespace svtune {

// "major.minor.patch", as in the CMake package.
const char* version() noexcept;

}  // namespace svtune
