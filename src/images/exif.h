// The turn that cameras write beside a picture: it is stored as the sensor lay, and shown upright.
// Source: CIPA DC-008 (Exif 2.32), section 4.6.4 on the tag Orientation; where each format holds
// it, in its own specification.
#pragma once

#include <cstddef>
#include <span>

#include "images/pixels.h"

namespace svtune {

// Of the bytes of a whole JPEG, PNG or WebP file, 1 (upright) to 8; 1 where nothing is said, and
// where what is said cannot be read. Says nothing of damage: the decoder does.
int exif_orientation(std::span<const std::byte> file);

// A picture that is stored with an orientation, upright: 2 to 4 are mirrored or upside down, 5 to 8
// lie on a side, so that width and height change places.
Image upright(Image stored, int orientation);
ImageSize upright(ImageSize stored, int orientation);

}  // namespace svtune
