// The formats behind decode_image(): one file each. All throw FileError that starts with `name`.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "images/pixels.h"

namespace svtune::detail {

using Bytes = std::span<const std::byte>;

ImageSize jpeg_size(Bytes bytes, const std::string& name);
Image decode_jpeg(Bytes bytes, const std::string& name);
ImageSize png_size(Bytes bytes, const std::string& name);
Image decode_png(Bytes bytes, const std::string& name);
ImageSize webp_size(Bytes bytes, const std::string& name);
Image decode_webp(Bytes bytes, const std::string& name);

}  // namespace svtune::detail
