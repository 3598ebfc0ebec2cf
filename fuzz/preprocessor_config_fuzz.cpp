// preprocessor_config.json of arbitrary bytes: a small picture comes out in the size it tells,
// or the file is refused.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "base/errors.h"
#include "base/json.h"
#include "images/preprocess.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::int64_t kMostFuzzedPixels = 1 << 18;  // larger ones only cost time
  try {
    const svtune::Json config =
        svtune::parse_json({reinterpret_cast<const char*>(data), size}, "fuzz");
    const svtune::Preprocessing preprocessing = svtune::read_preprocessing(config, "fuzz");
    const svtune::ImageSize out = svtune::output_size(preprocessing);
    const std::int64_t pixels = std::int64_t{out.width} * out.height;
    if (pixels > kMostFuzzedPixels || preprocessing.shortest_edge > 512 ||
        std::int64_t{preprocessing.size.width} * preprocessing.size.height > kMostFuzzedPixels) {
      return 0;
    }
    svtune::Image image{3, 2, std::vector<std::uint8_t>(18, 200)};
    const auto values = svtune::preprocess(image, preprocessing);
    if (values.size() != 3 * static_cast<std::size_t>(pixels)) std::abort();
  } catch (const svtune::Error&) {
  }
  return 0;
}
