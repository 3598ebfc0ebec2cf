// From a picture to a model's input, as preprocessor_config.json says it and the image processors
// of transformers compute it with Pillow: resize, centre crop, rescale, normalise, in this order.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "images/pixels.h"
#include "images/resize.h"

namespace svtune {

struct Preprocessing {
  bool do_resize = true;
  // Of the resized picture; with `shortest_edge` > 0 that edge has this many pixels instead and the
  // other keeps the proportion.
  ImageSize size = {224, 224};
  std::int32_t shortest_edge = 0;
  Resample resample = Resample::kBilinear;
  bool do_center_crop = false;
  ImageSize crop_size = {224, 224};  // smaller pictures get black margins
  bool do_rescale = true;
  double rescale_factor = 1.0 / 255.0;
  bool do_normalize = true;
  std::array<double, 3> image_mean = {0.5, 0.5, 0.5};
  std::array<double, 3> image_std = {0.5, 0.5, 0.5};
};

// From the content of preprocessor_config.json; what it leaves out is as in the processor that it
// names (ViT's where it names none). Throws FileError that starts with `source` for a processor, a
// filter or a key that changes pixels and is not known here, for values that make no sense, and
// when pictures would come out in different sizes.
Preprocessing read_preprocessing(const Json& config, const std::string& source);

// Of every preprocessed picture. Throws UsageError when pictures would keep different sizes.
ImageSize output_size(const Preprocessing& preprocessing);

// The first half of preprocess(), bytes still: resized and cropped.
Image fit_image(const Image& image, const Preprocessing& preprocessing);
// The second half, appended to `out`: [3, height, width], rescaled and normalised.
void append_normalized(const Image& fitted, const Preprocessing& preprocessing,
                       std::vector<float>& out);
// Both: [3, height, width] of output_size().
std::vector<float> preprocess(const Image& image, const Preprocessing& preprocessing);

}  // namespace svtune
