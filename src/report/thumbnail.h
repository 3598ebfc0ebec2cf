// Small pictures inside a page.
#pragma once

#include <cstdint>
#include <string>

#include "images/image.h"

namespace svtune {

// The image as a PNG file (RFC 2083: 8-bit RGB, one zlib stream), in a data: URI. An image with a
// side above `side` is scaled down to it; requires `side` > 0.
std::string thumbnail_uri(const Image& image, std::int32_t side);

}  // namespace svtune
