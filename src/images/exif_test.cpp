// The turn of pictures that cameras stored as the sensor lay.
#include "images/exif.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace svtune {
namespace exif_test {

using std::string_literals::operator""s;

int orientation_of(const std::string& file) {
  return exif_orientation(std::as_bytes(std::span(file)));
}

// One directory with one entry beside another; `type` 3 is a number of 16 bits.
std::string tiff(bool big, char orientation, char type = 3) {
  if (big) {
    return "MM\0*\0\0\0\x08\0\x02\x01\x0F\0\x02\0\0\0\x04"
           "abc\0"s +
           "\x01\x12\0"s + type + "\0\0\0\x01\0"s + orientation + "\0\0\0\0\0\0"s;
  }
  return "II*\0\x08\0\0\0\x01\0\x12\x01"s + type + "\0\x01\0\0\0"s + orientation +
         "\0\0\0\0\0\0\0"s;
}

std::string jpeg(const std::string& exif) {
  const std::string content = "Exif\0\0"s + exif;
  return "\xFF\xD8\xFF\xE0\0\x04JF\xFF\xE1\0"s + static_cast<char>(content.size() + 2) + content +
         "\xFF\xDA\0\x02"s;
}

std::string png(const std::string& exif) {
  return "\x89PNG\r\n\x1A\n"s + "\0\0\0\x01tEXtxSUM!"s + "\0\0\0"s +
         static_cast<char>(exif.size()) + "eXIf" + exif + "SUM!";
}

std::string webp(const std::string& exif) {
  return "RIFF....WEBP"s + "VP8X\x01\0\0\0x\0"s + "EXIF"s + static_cast<char>(exif.size()) +
         "\0\0\0"s + exif;
}

TEST(Exif, ItsOrientationIsReadOfEveryFormatInBothByteOrders) {
  for (char orientation = 1; orientation <= 8; ++orientation) {
    for (const bool big : {false, true}) {
      const std::string exif = tiff(big, orientation);
      EXPECT_EQ(orientation_of(jpeg(exif)), orientation) << big;
      EXPECT_EQ(orientation_of(png(exif)), orientation) << big;
      EXPECT_EQ(orientation_of(webp(exif)), orientation) << big;
      EXPECT_EQ(orientation_of(webp("Exif\0\0"s + exif)), orientation) << big;
    }
  }
}

TEST(Exif, WhatCannotBeReadIsUpright) {
  const std::string good = tiff(false, 6);
  for (const std::string& file :
       {jpeg("II*\0"s), jpeg("nothing"), jpeg(tiff(false, 9)), jpeg(tiff(false, 0)),
        jpeg(tiff(false, 6, 7)), std::string("\xFF\xD8"), std::string("\x89PNG"),
        std::string("RIFF"), std::string("hello"), std::string()}) {
    EXPECT_EQ(orientation_of(file), 1);
  }
  for (const std::string& file : {jpeg(good), png(good), webp(good)}) {
    for (std::size_t cut = 0; cut < file.size(); ++cut) {
      const int orientation = orientation_of(file.substr(0, cut));
      EXPECT_TRUE(orientation == 1 || orientation == 6) << cut;
    }
  }
  EXPECT_EQ(orientation_of("\xFF\xD8\xFF\xDA\0\x02"s + jpeg(good).substr(2)), 1) << "in the scan";
}

// Letters for pixels, rows divided by a bar; by the standard's table of sides.
TEST(Exif, PicturesStandUpright) {
  Image stored{3, 2, {}};
  for (const char c : std::string("abcdef")) {
    stored.rgb.insert(stored.rgb.end(), 3, static_cast<std::uint8_t>(c));
  }
  const char* const expected[] = {"abc|def|",  "cba|fed|",  "fed|cba|",  "def|abc|",
                                  "ad|be|cf|", "da|eb|fc|", "fc|eb|da|", "cf|be|ad|"};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const Image image = upright(stored, orientation);
    std::string seen;
    for (std::int32_t y = 0; y < image.height; ++y) {
      for (std::int32_t x = 0; x < image.width; ++x) {
        seen += static_cast<char>(image.rgb[3 * static_cast<std::size_t>(y * image.width + x)]);
      }
      seen += '|';
    }
    EXPECT_EQ(seen, expected[orientation - 1]) << orientation;
    EXPECT_EQ(upright(ImageSize{3, 2}, orientation).width, image.width);
  }
}

}  // namespace exif_test
}  // namespace svtune
