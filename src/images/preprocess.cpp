#include "images/preprocess.h"

#include <algorithm>

#include "base/errors.h"

namespace svtune {
namespace {

std::size_t place(std::int32_t number) { return static_cast<std::size_t>(number); }

// As transformers' get_resize_output_image_size(): the long edge is cut to whole pixels.
ImageSize resized(const Image& image, const Preprocessing& preprocessing) {
  if (preprocessing.shortest_edge == 0) return preprocessing.size;
  const std::int64_t edge = preprocessing.shortest_edge;
  const std::int64_t short_edge = std::min(image.width, image.height);
  const std::int64_t long_edge = std::max(image.width, image.height);
  const std::int64_t other = edge * long_edge / short_edge;
  if (edge * other > kMostPixels) {
    throw UsageError("a picture of " + std::to_string(image.width) + " x " +
                     std::to_string(image.height) + " is too long to have a shortest edge of " +
                     std::to_string(edge));
  }
  const auto as_short = static_cast<std::int32_t>(edge);
  const auto as_long = static_cast<std::int32_t>(other);
  return image.width <= image.height ? ImageSize{as_short, as_long} : ImageSize{as_long, as_short};
}

// Where one side of a picture comes from and goes to when it is cropped at its centre.
struct Crop {
  std::int32_t from = 0, to = 0, count = 0;
};

// As transformers' center_crop() in NumPy: an odd remainder goes to the end of what is cut off and
// to the start of what is filled up.
Crop crop_of(std::int32_t source, std::int32_t target) {
  if (source >= target) return {(source - target) / 2, 0, target};
  return {0, (target - source + 1) / 2, source};
}

Image centre_crop(const Image& image, ImageSize size) {
  const Crop columns = crop_of(image.width, size.width);
  const Crop rows = crop_of(image.height, size.height);
  Image out = blank_image(size);
  for (std::int32_t y = 0; y < rows.count; ++y) {
    const std::size_t from = place(rows.from + y) * place(image.width) + place(columns.from);
    const std::size_t to = place(rows.to + y) * place(size.width) + place(columns.to);
    std::copy_n(image.rgb.data() + 3 * from, 3 * place(columns.count), out.rgb.data() + 3 * to);
  }
  return out;
}

// The value of each byte in a channel, in the precisions that transformers computes in.
std::array<float, 256> values_of(const Preprocessing& preprocessing, std::size_t channel) {
  std::array<float, 256> values;
  const auto mean = static_cast<float>(preprocessing.image_mean[channel]);
  const auto deviation = static_cast<float>(preprocessing.image_std[channel]);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto byte = static_cast<double>(i);
    values[i] =
        static_cast<float>(preprocessing.do_rescale ? byte * preprocessing.rescale_factor : byte);
    if (preprocessing.do_normalize) values[i] = (values[i] - mean) / deviation;
  }
  return values;
}

}  // namespace

ImageSize output_size(const Preprocessing& preprocessing) {
  if (preprocessing.do_center_crop) return preprocessing.crop_size;
  if (preprocessing.do_resize && preprocessing.shortest_edge == 0) return preprocessing.size;
  throw UsageError("the preprocessing leaves pictures of different sizes",
                   "It needs a size with height and width, or a centre crop.");
}

Image fit_image(const Image& image, const Preprocessing& preprocessing) {
  if (!preprocessing.do_resize) {
    return preprocessing.do_center_crop ? centre_crop(image, preprocessing.crop_size) : image;
  }
  Image out = resize_image(image, resized(image, preprocessing), preprocessing.resample);
  return preprocessing.do_center_crop ? centre_crop(out, preprocessing.crop_size) : out;
}

void append_normalized(const Image& fitted, const Preprocessing& preprocessing,
                       std::vector<float>& out) {
  const std::size_t pixels = place(fitted.width) * place(fitted.height);
  std::size_t at = out.size();
  out.resize(at + 3 * pixels);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const std::array<float, 256> values = values_of(preprocessing, channel);
    for (std::size_t i = 0; i < pixels; ++i) out[at++] = values[fitted.rgb[3 * i + channel]];
  }
}

std::vector<float> preprocess(const Image& image, const Preprocessing& preprocessing) {
  std::vector<float> out;
  append_normalized(fit_image(image, preprocessing), preprocessing, out);
  return out;
}

}  // namespace svtune
