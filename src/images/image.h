// Pictures from the bytes of their files: JPEG, PNG and WebP, as Pillow's convert("RGB") gives them.
// The format is told by the first bytes, never by the name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace svtune {

// Pictures of more are refused before anything is decoded: 64 megapixels, 192 MiB as RGB.
inline constexpr std::int64_t kMostPixels = std::int64_t{1} << 26;
// Files of more are refused unread.
inline constexpr std::uint64_t kMostImageBytes = std::uint64_t{1} << 28;

struct ImageSize {
  std::int32_t width = 0, height = 0;
};

struct Image {
  std::int32_t width = 0, height = 0;
  std::vector<std::uint8_t> rgb;  // [height, width, 3]
};

// Decodes a whole file. Grey values are repeated in all channels, palettes looked up, alpha dropped
// (not blended), 16 bits cut to their high byte (grey ones clipped at 255, as Pillow does), CMYK and
// YCCK taken as Adobe writes them, inverted. Not applied: EXIF's turn, gamma, colour profiles. Of an
// animated PNG the default picture is read. Throws FileError that starts with `name` when the bytes
// are truncated or damaged (what libjpeg only warns of as well), hold more than kMostPixels or none,
// or are of another format (GIF, BMP, TIFF, animated WebP, ... are called by their names).
Image decode_image(std::span<const std::byte> bytes, const std::string& name);

// The size that the header tells; nothing is decoded. Throws as decode_image() does.
ImageSize probe_image(std::span<const std::byte> bytes, const std::string& name);

}  // namespace svtune
