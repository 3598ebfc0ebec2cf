#include "images/exif.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace svtune {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kExif = "Exif\0\0"sv;

// Numbers of either byte order; 0 beyond the end.
class Fields {
 public:
  Fields(std::string_view bytes, bool big) : bytes_(bytes), big_(big) {}

  std::uint32_t number(std::size_t at, std::size_t count) const {
    if (at > bytes_.size() || count > bytes_.size() - at) return 0;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t place = big_ ? at + i : at + count - 1 - i;
      value = value << 8 | static_cast<std::uint8_t>(bytes_[place]);
    }
    return value;
  }

 private:
  std::string_view bytes_;
  bool big_;
};

std::string_view without_prefix(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

// Of the first directory of a TIFF file, which EXIF is.
int orientation_in(std::string_view tiff) {
  constexpr std::uint32_t kOrientation = 0x0112;
  constexpr std::size_t kEntryBytes = 12;
  const bool big = tiff.starts_with("MM\0*"sv);
  if (!big && !tiff.starts_with("II*\0"sv)) return 1;
  const Fields fields(tiff, big);
  const std::size_t directory = fields.number(4, 4);
  const std::size_t entries = fields.number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + i * kEntryBytes;
    if (at > tiff.size() || tiff.size() - at < kEntryBytes) return 1;
    if (fields.number(at, 2) != kOrientation) continue;
    const std::uint32_t type = fields.number(at + 2, 2);
    const std::size_t bytes = type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0;
    const std::uint32_t value = fields.number(at + 8, bytes);
    return fields.number(at + 4, 4) == 1 && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

int orientation_of_jpeg(std::string_view file) {
  constexpr std::uint32_t kFill = 0xFF, kApp1 = 0xE1, kScan = 0xDA, kEnd = 0xD9;
  const Fields fields(file, true);
  for (std::size_t at = 2; at + 4 <= file.size() && fields.number(at, 1) == kFill;) {
    const std::uint32_t marker = fields.number(at + 1, 1);
    if (marker == kScan || marker == kEnd) break;
    if (marker == kFill) {
      ++at;
      continue;
    }
    const std::size_t length = fields.number(at + 2, 2);  // with its own two bytes
    if (length < 2 || length > file.size() - at - 2) break;
    const std::string_view content = file.substr(at + 4, length - 2);
    if (marker == kApp1 && content.starts_with(kExif)) {
      return orientation_in(content.substr(kExif.size()));
    }
    at += 2 + length;
  }
  return 1;
}

int orientation_of_png(std::string_view file) {
  constexpr std::size_t kAround = 12;  // length, name and sum of a chunk
  const Fields fields(file, true);
  for (std::size_t at = 8; at + kAround <= file.size();) {
    const std::size_t length = fields.number(at, 4);
    if (length > file.size() - at - kAround) break;
    if (file.substr(at + 4, 4) == "eXIf") {
      return orientation_in(without_prefix(file.substr(at + 8, length), kExif));
    }
    at += length + kAround;
  }
  return 1;
}

int orientation_of_webp(std::string_view file) {
  const Fields fields(file, false);
  for (std::size_t at = 12; at + 8 <= file.size();) {
    const std::size_t length = fields.number(at + 4, 4);
    if (length > file.size() - at - 8) break;
    if (file.substr(at, 4) == "EXIF") {
      return orientation_in(without_prefix(file.substr(at + 8, length), kExif));
    }
    at += 8 + length + length % 2;
  }
  return 1;
}

bool lies_on_a_side(int orientation) { return orientation >= 5; }

}  // namespace

int exif_orientation(std::span<const std::byte> file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.starts_with("\xFF\xD8")) return orientation_of_jpeg(text);
  if (text.starts_with("\x89PNG")) return orientation_of_png(text);
  return text.starts_with("RIFF") ? orientation_of_webp(text) : 1;
}

ImageSize upright(ImageSize stored, int orientation) {
  return lies_on_a_side(orientation) ? ImageSize{stored.height, stored.width} : stored;
}

Image upright(Image stored, int orientation) {
  if (orientation <= 1) return stored;
  Image out = blank_image(upright(ImageSize{stored.width, stored.height}, orientation));
  const bool side = lies_on_a_side(orientation);
  const bool from_right =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const auto width = static_cast<std::size_t>(stored.width);
  std::uint8_t* to = out.rgb.data();
  for (std::int32_t y = 0; y < out.height; ++y) {
    for (std::int32_t x = 0; x < out.width; ++x) {
      const std::int32_t across = side ? y : x, down = side ? x : y;
      const std::int32_t column = from_right ? stored.width - 1 - across : across;
      const std::int32_t row = from_below ? stored.height - 1 - down : down;
      const std::size_t from =
          static_cast<std::size_t>(row) * width + static_cast<std::size_t>(column);
      to = std::copy_n(stored.rgb.data() + 3 * from, 3, to);
    }
  }
  return out;
}

}  // namespace svtune
