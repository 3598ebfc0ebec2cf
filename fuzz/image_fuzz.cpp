// Pictures of arbitrary bytes, with seeds of each format: they give an image of the size that their
// header tells, or throw FileError.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/errors.h"
#include "images/image.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::int64_t kMostFuzzedPixels = 1 << 20;  // larger ones only cost time
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  try {
    const svtune::ImageSize told = svtune::probe_image(bytes, "fuzz");
    if (std::int64_t{told.width} * told.height > kMostFuzzedPixels) return 0;
    const svtune::Image image = svtune::decode_image(bytes, "fuzz");
    if (image.width != told.width || image.height != told.height) std::abort();
    const auto width = static_cast<std::size_t>(image.width);
    if (image.rgb.size() != 3 * width * static_cast<std::size_t>(image.height)) std::abort();
  } catch (const svtune::FileError&) {
  }
  return 0;
}
