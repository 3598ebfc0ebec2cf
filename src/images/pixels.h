// A picture in memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace svtune {

// Pictures of more are refused before anything is decoded: 64 megapixels, 192 MiB as RGB.
inline constexpr std::int64_t kMostPixels = std::int64_t{1} << 26;

struct ImageSize {
  std::int32_t width = 0, height = 0;
};

struct Image {
  std::int32_t width = 0, height = 0;
  std::vector<std::uint8_t> rgb;  // [height, width, 3]
};

// Throws FileError that starts with `name` for a picture without pixels and for one of more than
// kMostPixels.
void require_readable_size(ImageSize size, const std::string& name);

// Black. Requires a size that is readable.
Image blank_image(ImageSize size);

}  // namespace svtune
