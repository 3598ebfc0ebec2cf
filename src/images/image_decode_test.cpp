// Decoding against Pillow's exif_transpose() and convert("RGB"), and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "images/image.h"

namespace svtune {
namespace image_decode_test {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

Image decode(const std::string& text) { return decode_image(bytes_of(text), "picture"); }

std::string refusal(const std::string& text) {
  try {
    decode(text);
  } catch (const FileError& error) {
    EXPECT_THAT(error.what(), HasSubstr("picture: "));
    return error.what();
  }
  return "";
}

// The pictures of tests/oracle/image_cases.py, made once.
class Decode : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const std::string python = test::oracle_python("PIL,numpy");
    if (python.empty()) return;
    folder_ = new test::TempDirectory;
    const std::string command =
        test::shell_quote(python) + " -W ignore " +
        test::shell_quote(SVTUNE_SOURCE_DIR "/tests/oracle/image_cases.py") + " decode " +
        test::shell_quote(folder_->path().string());
    EXPECT_EQ(test::run_command(command).status, 0);
  }
  static void TearDownTestSuite() { delete folder_; }
  void SetUp() override {
    if (folder_ == nullptr) GTEST_SKIP() << "no Python with PIL and numpy";
  }
  static std::string read(const std::string& name) { return read_file(*folder_ / name, 1 << 24); }
  static std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(folder_->path())) {
      if (entry.path().extension() == ".img") out.push_back(entry.path().stem().string());
    }
    std::ranges::sort(out);
    return out;
  }

  static inline test::TempDirectory* folder_ = nullptr;
};

// Pillow brings its own libjpeg-turbo and libwebp, of which other versions may round the colours of
// lossy pictures by a step or two. PNG and lossless WebP have one right answer.
int allowed(const std::string& name) {
  const bool lossy = name.starts_with("jpeg") || name.starts_with("webp_lossy");
  return lossy && name != "webp_lossless" ? 2 : 0;
}

TEST_F(Decode, GivesPillowsBytes) {
  const std::vector<std::string> cases = names();
  EXPECT_EQ(cases.size(), 40u);
  for (const std::string& name : cases) {
    const std::string file = read(name + ".img");
    const Image image = decode(file);
    const std::string expected = read(name + ".rgb");
    EXPECT_EQ(std::to_string(image.width) + " " + std::to_string(image.height) + "\n",
              read(name + ".txt"))
        << name;
    const ImageSize probed = probe_image(bytes_of(file), name);
    EXPECT_EQ(probed.width, image.width) << name;
    EXPECT_EQ(probed.height, image.height) << name;
    ASSERT_EQ(image.rgb.size(), expected.size()) << name;
    int most = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      most = std::max(most, std::abs(image.rgb[i] - static_cast<std::uint8_t>(expected[i])));
    }
    EXPECT_LE(most, allowed(name)) << name;
  }
}

TEST_F(Decode, RefusesEveryTruncation) {
  // One of each way of storing: what lies at the end of a file differs.
  for (const char* name : {"jpeg_420", "jpeg_progressive", "jpeg_cmyk", "png_rgb", "png_palette_16",
                           "png_interlaced", "webp_lossy", "webp_lossless"}) {
    const std::string file = read(std::string(name) + ".img");
    for (std::size_t cut = 0; cut < file.size() - 16; cut += 1 + file.size() / 97) {
      EXPECT_NE(refusal(file.substr(0, cut)), "") << name << " cut to " << cut << " bytes";
    }
  }
}

TEST_F(Decode, EndsOnAnyDamage) {
  for (const std::string& name : names()) {
    const std::string file = read(name + ".img");
    for (std::size_t at = 0; at < file.size(); at += 1 + file.size() / 61) {
      std::string damaged = file;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
      try {
        const Image image = decode(damaged);
        EXPECT_EQ(image.rgb.size(), 3u * std::size_t(image.width) * std::size_t(image.height));
      } catch (const FileError& error) {
        EXPECT_THAT(error.what(), HasSubstr("picture: ")) << name;
      }
    }
  }
}

TEST_F(Decode, DamageInAPngIsFoundByItsSums) {
  std::string file = read("png_rgb.img");
  file[file.size() / 2] ^= 1;
  EXPECT_THAT(refusal(file), HasSubstr("the PNG picture is damaged: "));
}

std::string with_sizes(std::string png, char width, char height) {
  png[16 + 1] = width;  // the second byte of four
  png[20 + 1] = height;
  return png;
}

TEST_F(Decode, RefusesTooManyPixelsByTheHeaderAlone) {
  std::string jpeg = read("jpeg_444.img");
  const std::size_t frame = jpeg.find("\xFF\xC0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xFF\xDC\xFF\xDC");
  EXPECT_THAT(refusal(jpeg), HasSubstr("65500 x 65500 pixels; at most 67,108,864 are read"));
  // libpng checks the header's sum before anything else.
  EXPECT_THAT(refusal(with_sizes(read("png_rgb.img"), 1, 1)), HasSubstr("CRC"));
}

std::string big_endian(std::uint32_t value) {
  std::string out;
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>((value >> shift) & 0xFF);
  return out;
}

std::string png_chunk(const std::string& kind, const std::string& data) {
  const std::string whole = kind + data;
  const auto sum =
      ::crc32(0, reinterpret_cast<const Bytef*>(whole.data()), static_cast<uInt>(whole.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + whole +
         big_endian(static_cast<std::uint32_t>(sum));
}

std::string deflated(const std::string& text) {
  std::string out(::compressBound(static_cast<uLong>(text.size())), '\0');
  auto size = static_cast<uLongf>(out.size());
  EXPECT_EQ(
      ::compress(reinterpret_cast<Bytef*>(out.data()), &size,
                 reinterpret_cast<const Bytef*>(text.data()), static_cast<uLong>(text.size())),
      Z_OK);
  out.resize(size);
  return out;
}

// Of true colour, with the pixel (1, 2, 3) alone and `more` chunks before it.
std::string small_png(std::uint32_t width, std::uint32_t height, const std::string& more = "") {
  return "\x89PNG\r\n\x1A\n" +
         png_chunk("IHDR",
                   big_endian(width) + big_endian(height) + std::string("\x08\x02\0\0\0", 5)) +
         more + png_chunk("IDAT", deflated(std::string("\0\1\2\3", 4))) + png_chunk("IEND", "");
}

TEST(ImageFormats, ASmallPngOfManyPixelsIsRefusedByItsHeader) {
  for (const std::uint32_t side : {10'000U, 65'500U}) {
    const std::string problem = refusal(small_png(side, side));
    EXPECT_THAT(problem, HasSubstr("pixels; at most 67,108,864 are read")) << side;
  }
  EXPECT_THAT(refusal(small_png(0, 1)), HasSubstr("picture"));
}

// 16 MiB in 16 KiB: texts and profiles are not unpacked.
TEST(ImageFormats, WhatAPngHoldsBesidePixelsIsNotUnpacked) {
  const std::string zeros = deflated(std::string(std::size_t{1} << 24, '\0'));
  for (const char* kind : {"zTXt", "iCCP"}) {
    const Image image =
        decode(small_png(1, 1, png_chunk(kind, std::string("name\0\0", 6) + zeros)));
    EXPECT_THAT(image.rgb, testing::ElementsAre(1, 2, 3)) << kind;
  }
}

TEST(ImageFormats, OthersAreCalledByTheirNames) {
  EXPECT_THAT(refusal("GIF89a....."), HasSubstr("a GIF file, which is not read"));
  EXPECT_THAT(refusal("BM......"), HasSubstr("a BMP file"));
  EXPECT_THAT(refusal(std::string("II*\0....", 8)), HasSubstr("a TIFF file"));
  EXPECT_THAT(refusal(std::string("\0\0\0\x1C"
                                  "ftypavif",
                                  12)),
              HasSubstr("an AVIF file"));
  EXPECT_THAT(refusal("<html>not found</html>"), HasSubstr("a page or a drawing"));
  EXPECT_THAT(refusal("hello"), HasSubstr("no format that is known"));
  EXPECT_THAT(refusal(""), HasSubstr("the file is empty"));
}

TEST(ImageFormats, AnAnimatedWebPIsRefused) {
  // The header of an extended file whose animation bit is set, of 16 x 16 pixels.
  const std::string file("RIFF\x1E\0\0\0WEBPVP8X\x0A\0\0\0\x02\0\0\0\x0F\0\0\x0F\0\0ANIM\0\0\0\0",
                         38);
  EXPECT_THAT(refusal(file), HasSubstr("an animated WebP"));
}

}  // namespace image_decode_test
}  // namespace svtune
