// Resizing with the filters of Pillow, to the bit: separable, with a support that grows when a
// picture shrinks (antialiasing), 8 bits after each pass; the vertical pass comes first where it
// takes much more away than the horizontal one.
#pragma once

#include <cstdint>

#include "images/pixels.h"

namespace svtune {

// With the numbers that configurations give them (PIL.Image.Resampling).
enum class Resample : std::uint8_t {
  kNearest = 0,
  kLanczos = 1,
  kBilinear = 2,
  kBicubic = 3,
  kBox = 4,
  kHamming = 5
};

// Requires: both sizes are positive. Throws UsageError when the new one has more than kMostPixels.
Image resize_image(const Image& image, ImageSize size, Resample filter);

}  // namespace svtune
