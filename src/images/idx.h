// IDX files, MNIST's form: big-endian sizes, then bytes. Plain or compressed by gzip or zstd.
// Source: the description on the page of MNIST (LeCun, Cortes, Burges).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "images/pixels.h"

namespace svtune {

struct IdxImages {
  std::int64_t count = 0;
  ImageSize size;
  std::vector<std::uint8_t> grey;  // [count, height, width]

  // The grey values repeated in all channels. Requires 0 <= index < count.
  Image image(std::int64_t index) const;
};

// Whether the file starts, decompressed, as an IDX file does, of whatever elements. Throws
// FileError when it cannot be read.
bool is_idx(const std::filesystem::path& path);

// Throws FileError for another element type or rank, sizes of 0 or beyond kMostPixels, more than
// 2^32 bytes, and files that are shorter or longer than their sizes say.
IdxImages read_idx_images(const std::filesystem::path& path);
std::vector<std::uint8_t> read_idx_labels(const std::filesystem::path& path);

}  // namespace svtune
