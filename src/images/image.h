// Pictures from the bytes of their files: JPEG, PNG and WebP, as transformers' load_image() gives
// them: Pillow's exif_transpose() and convert("RGB"). The format is told by the first bytes, never
// by the name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "images/pixels.h"

namespace svtune {

// Files of more are refused unread.
inline constexpr std::uint64_t kMostImageBytes = std::uint64_t{1} << 28;

// Decodes a whole file. Grey values are repeated in all channels, palettes looked up, alpha dropped
// (not blended), 16 bits cut to their high byte (also of grey pictures, which Pillow clips at 255
// and so leaves nearly white), CMYK and YCCK taken as Adobe writes them, inverted, and the picture
// turned upright as EXIF says. Not applied: gamma, colour profiles, a turn that XMP alone says. Of
// an animated PNG the default picture is read. Throws FileError that starts with `name` when the
// bytes are truncated or damaged (what libjpeg only warns of as well), hold more than kMostPixels
// or none, or are of another format (GIF, BMP, TIFF, animated WebP, ... are called by their names).
Image decode_image(std::span<const std::byte> bytes, const std::string& name);

// The size that the header tells, of the picture when it stands upright; nothing is decoded. Throws
// as decode_image() does.
ImageSize probe_image(std::span<const std::byte> bytes, const std::string& name);

}  // namespace svtune
