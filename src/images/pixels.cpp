#include "images/pixels.h"

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {

void require_readable_size(ImageSize size, const std::string& name) {
  const std::string said = std::to_string(size.width) + " x " + std::to_string(size.height);
  if (size.width < 1 || size.height < 1) {
    throw FileError(name, "the picture has no pixels: its size is " + said);
  }
  if (std::int64_t{size.width} * size.height > kMostPixels) {
    throw FileError(
        name,
        "the picture has " + said + " pixels; at most " + format_count(kMostPixels) + " are read",
        "Make it smaller first: models see a few hundred pixels a side.");
  }
}

Image blank_image(ImageSize size) {
  Image image{size.width, size.height, {}};
  image.rgb.resize(3 * static_cast<std::size_t>(size.width) *
                   static_cast<std::size_t>(size.height));
  return image;
}

}  // namespace svtune
