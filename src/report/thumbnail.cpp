#include "report/thumbnail.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "base/errors.h"
#include "images/resize.h"

namespace svtune {
namespace {

std::string big_endian(std::uint32_t value) {
  std::string bytes(4, '\0');
  for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<char>(value >> (24 - 8 * i));
  return bytes;
}

std::string chunk(const std::string& kind, const std::string& content) {
  const std::string checked = kind + content;
  const uLong sum =
      crc32(0, reinterpret_cast<const Bytef*>(checked.data()), static_cast<uInt>(checked.size()));
  return big_endian(static_cast<std::uint32_t>(content.size())) + checked +
         big_endian(static_cast<std::uint32_t>(sum));
}

std::string deflated(const std::string& bytes) {
  uLongf size = compressBound(static_cast<uLong>(bytes.size()));
  std::string out(size, '\0');
  const int status = compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                               reinterpret_cast<const Bytef*>(bytes.data()),
                               static_cast<uLong>(bytes.size()), Z_BEST_COMPRESSION);
  if (status != Z_OK) throw RunError("zlib cannot compress a picture of the report");
  out.resize(size);
  return out;
}

std::string png_file(const Image& image) {
  // Each row begins with its filter: 0, the bytes as they are.
  const std::size_t row = static_cast<std::size_t>(image.width) * 3;
  std::string rows;
  for (std::size_t y = 0; y < static_cast<std::size_t>(image.height); ++y) {
    rows.push_back('\0');
    rows.append(reinterpret_cast<const char*>(image.rgb.data()) + y * row, row);
  }
  const std::string depth_and_kind("\x08\x02\x00\x00\x00", 5);  // 8 bits, RGB, plain
  return "\x89PNG\r\n\x1a\n" +
         chunk("IHDR", big_endian(static_cast<std::uint32_t>(image.width)) +
                           big_endian(static_cast<std::uint32_t>(image.height)) + depth_and_kind) +
         chunk("IDAT", deflated(rows)) + chunk("IEND", "");
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < have ? static_cast<std::uint8_t>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out.push_back(k <= have ? kDigits[group >> (18 - 6 * k) & 63] : '=');
    }
  }
  return out;
}

}  // namespace

std::string thumbnail_uri(const Image& image, std::int32_t side) {
  const std::int32_t longest = std::max(image.width, image.height);
  const std::string head = "data:image/png;base64,";
  if (longest <= side) return head + base64(png_file(image));
  const auto scaled = [&](std::int32_t edge) {
    const double exact = static_cast<double>(edge) * side / longest;
    return std::max<std::int32_t>(1, static_cast<std::int32_t>(std::lround(exact)));
  };
  return head + base64(png_file(resize_image(image, {scaled(image.width), scaled(image.height)},
                                             Resample::kBilinear)));
}

}  // namespace svtune
