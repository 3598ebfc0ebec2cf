// The version comes from CMakeLists.txt, its only place.
#include "svtune/version.h"

namespace svtune {

const char* version() noexcept { return SVTUNE_VERSION; }

}  // namespace svtune
