// Pictures of the report, read back by the decoder of images.
#include "report/thumbnail.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>

namespace svtune {
namespace thumbnail_test {

// Of a data: URI.
Image decoded(const std::string& uri) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0, held = 0;
  for (const char digit : uri.substr(uri.find(',') + 1)) {
    if (digit == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(digits.find(digit));
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes.push_back(static_cast<char>(bits >> held & 255));
  }
  return decode_image(std::as_bytes(std::span(bytes)), "thumbnail");
}

Image gradient(std::int32_t width, std::int32_t height) {
  Image image{width, height, {}};
  for (std::int32_t i = 0; i < width * height * 3; ++i) {
    image.rgb.push_back(static_cast<std::uint8_t>(i * 7));
  }
  return image;
}

TEST(Thumbnail, SmallImagesKeepEveryByte) {
  // Sizes whose files end in every remainder of base64's groups.
  for (const std::int32_t width : {1, 2, 3, 5, 32}) {
    const Image image = gradient(width, 4);
    const std::string uri = thumbnail_uri(image, 64);
    EXPECT_TRUE(uri.starts_with("data:image/png;base64,"));
    const Image back = decoded(uri);
    EXPECT_EQ(back.width, width);
    EXPECT_EQ(back.rgb, image.rgb);
  }
}

TEST(Thumbnail, LargeImagesAreScaledToTheirLongerSide) {
  const Image back = decoded(thumbnail_uri(gradient(300, 100), 64));
  EXPECT_EQ(back.width, 64);
  EXPECT_EQ(back.height, 21);
  EXPECT_EQ(decoded(thumbnail_uri(gradient(500, 1), 64)).height, 1);
}

}  // namespace thumbnail_test
}  // namespace svtune
