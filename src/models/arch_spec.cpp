#include "models/arch_spec.h"

#include "base/errors.h"

namespace svtune {

std::int64_t image_tokens(const ImageInput& input, std::int64_t height, std::int64_t width) {
  const bool whole = input.patch > 0 && height > 0 && width > 0 && height % input.patch == 0 &&
                     width % input.patch == 0;
  if (!whole) {
    throw ModelError("an image has " + std::to_string(height) + " x " + std::to_string(width) +
                         " pixels, the model reads squares of " + std::to_string(input.patch),
                     "Give a size that is a multiple of the patch.");
  }
  return 1 + (height / input.patch) * (width / input.patch);
}

}  // namespace svtune
