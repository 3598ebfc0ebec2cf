#include "images/image.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/errors.h"
#include "base/text_util.h"
#include "images/codecs.h"
#include "images/exif.h"

namespace svtune {
namespace {

using detail::Bytes;

enum class Format { kJpeg, kPng, kWebp };

struct Magic {
  std::size_t at;
  std::string_view bytes;
  std::string_view name;
};

using std::string_view_literals::operator""sv;

// Formats that are not read, so that the error can name them.
constexpr std::array kOthers = {
    Magic{0, "GIF8"sv, "a GIF"},
    Magic{0, "BM"sv, "a BMP"},
    Magic{0, "II*\0"sv, "a TIFF"},
    Magic{0, "MM\0*"sv, "a TIFF"},
    Magic{4, "ftypheic"sv, "a HEIC"},
    Magic{4, "ftypmif1"sv, "a HEIF"},
    Magic{4, "ftypavif"sv, "an AVIF"},
    Magic{0, "\0\0\0\x0CjP  "sv, "a JPEG 2000"},
    Magic{0, "\0\0\0\x0CJXL "sv, "a JPEG XL"},
    Magic{0, "\xFF\x0A"sv, "a JPEG XL"},
    Magic{0, "\0\0\1\0"sv, "an icon (ICO)"},
    Magic{0, "8BPS"sv, "a Photoshop"},
    Magic{0, "%PDF"sv, "a PDF"},
    Magic{0, "P5\n"sv, "a PGM"},
    Magic{0, "P6\n"sv, "a PPM"},
    Magic{0, "\x93NUMPY"sv, "a NumPy"},
};

std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool has(std::string_view text, std::size_t at, std::string_view magic) {
  return text.size() >= at + magic.size() && text.substr(at, magic.size()) == magic;
}

[[noreturn]] void refuse(std::string_view text, const std::string& name) {
  constexpr const char* kHint = "JPEG, PNG and WebP are read; other pictures must be converted.";
  for (const Magic& magic : kOthers) {
    if (!has(text, magic.at, magic.bytes)) continue;
    throw FileError(name, std::string(magic.name) + " file, which is not read", kHint);
  }
  if (text.empty()) throw FileError(name, "the file is empty");
  if (trim(text.substr(0, std::min<std::size_t>(text.size(), 256))).starts_with("<")) {
    throw FileError(name, "this is a page or a drawing in XML or HTML, no picture of pixels",
                    "Was an error page downloaded in its place?");
  }
  throw FileError(name, "this is no picture: it starts as no format that is known", kHint);
}

Format format_of(Bytes bytes, const std::string& name) {
  const std::string_view text = text_of(bytes);
  if (has(text, 0, "\xFF\xD8\xFF")) return Format::kJpeg;
  if (has(text, 0, "\x89PNG\r\n\x1A\n")) return Format::kPng;
  if (has(text, 0, "RIFF") && has(text, 8, "WEBP")) return Format::kWebp;
  refuse(text, name);
}

Image decode_as_stored(Bytes bytes, const std::string& name) {
  switch (format_of(bytes, name)) {
    case Format::kJpeg:
      return detail::decode_jpeg(bytes, name);
    case Format::kPng:
      return detail::decode_png(bytes, name);
    case Format::kWebp:
      break;
  }
  return detail::decode_webp(bytes, name);
}

}  // namespace

Image decode_image(std::span<const std::byte> bytes, const std::string& name) {
  return upright(decode_as_stored(bytes, name), exif_orientation(bytes));
}

ImageSize probe_image(std::span<const std::byte> bytes, const std::string& name) {
  ImageSize size;
  switch (format_of(bytes, name)) {
    case Format::kJpeg:
      size = detail::jpeg_size(bytes, name);
      break;
    case Format::kPng:
      size = detail::png_size(bytes, name);
      break;
    case Format::kWebp:
      size = detail::webp_size(bytes, name);
      break;
  }
  require_readable_size(size, name);
  return upright(size, exif_orientation(bytes));
}

}  // namespace svtune
