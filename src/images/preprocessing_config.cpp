// preprocessor_config.json, of this and of earlier versions of transformers.
#include <algorithm>
#include <cmath>
#include <string_view>

#include "base/errors.h"
#include "images/preprocess.h"

namespace svtune {
namespace {

constexpr std::int32_t kMostSide = 8192;  // of a model's input

// What the processor of a name does where the file says nothing: its class attributes in
// transformers 5.24.
struct Processor {
  std::string_view name;
  Preprocessing defaults;
  bool square = true;  // a size that is one number is both sides, not the shortest edge
};

constexpr std::array<double, 3> kClipMean = {0.48145466, 0.4578275, 0.40821073};
constexpr std::array<double, 3> kClipStd = {0.26862954, 0.26130258, 0.27577711};

const std::vector<Processor>& processors() {
  static const Preprocessing vit = {};
  static const Preprocessing deit = {
      .size = {256, 256}, .resample = Resample::kBicubic, .do_center_crop = true};
  static const Preprocessing clip = {.shortest_edge = 224,
                                     .resample = Resample::kBicubic,
                                     .do_center_crop = true,
                                     .image_mean = kClipMean,
                                     .image_std = kClipStd};
  static const Preprocessing siglip = {.resample = Resample::kBicubic};
  static const std::vector<Processor> all = {{"ViT", vit},
                                             {"DeiT", deit},
                                             {"Bit", clip, false},
                                             {"CLIP", clip, false},
                                             {"Siglip", siglip, false}};
  return all;
}

class Reader {
 public:
  Reader(const Json& config, const std::string& source) : config_(config), source_(source) {}

  Preprocessing read();

 private:
  [[noreturn]] void fail(const std::string& what, const std::string& hint = "") const {
    throw FileError(source_, what, hint);
  }
  const Json* find(const std::string& key) const {
    const auto found = config_.find(key);
    return found == config_.end() || found->is_null() ? nullptr : &*found;
  }
  const Processor& processor() const;
  bool flag(const std::string& key, bool unset) const;
  double number(const Json& value, const std::string& key) const;
  std::int32_t side(const Json& value, const std::string& key) const;
  ImageSize both_sides(const Json& value, const std::string& key) const;
  void read_size(Preprocessing& out, bool square) const;
  Resample filter(Resample unset) const;
  std::array<double, 3> channels(const std::string& key, std::array<double, 3> unset) const;
  void refuse_unknown() const;

  const Json& config_;
  const std::string& source_;
};

const Processor& Reader::processor() const {
  std::string name;
  for (const char* key : {"image_processor_type", "feature_extractor_type"}) {
    const Json* value = find(key);
    if (value == nullptr) continue;
    if (!value->is_string()) fail(std::string(key) + " must be a text");
    name = value->get<std::string>();
    break;
  }
  if (name.empty()) return processors().front();
  for (const Processor& known : processors()) {
    for (const char* suffix :
         {"ImageProcessor", "ImageProcessorFast", "ImageProcessorPil", "FeatureExtractor"}) {
      if (name == std::string(known.name) + suffix) return known;
    }
  }
  fail("the image processor " + name + " is not known",
       "Known are those of ViT, DeiT, BiT (DINOv2), CLIP and SigLIP.");
}

bool Reader::flag(const std::string& key, bool unset) const {
  const Json* value = find(key);
  if (value == nullptr) return unset;
  if (!value->is_boolean()) fail(key + " must be true or false");
  return value->get<bool>();
}

double Reader::number(const Json& value, const std::string& key) const {
  if (!value.is_number()) fail(key + " must be a number");
  const double number = value.get<double>();
  if (!std::isfinite(number)) fail(key + " must be finite");
  return number;
}

std::int32_t Reader::side(const Json& value, const std::string& key) const {
  const double pixels = number(value, key);
  if (pixels < 1 || pixels > kMostSide || pixels != std::floor(pixels)) {
    fail(key + " must be a whole number from 1 to " + std::to_string(kMostSide));
  }
  return static_cast<std::int32_t>(pixels);
}

// {"height": 224, "width": 224}, or the same as a list.
ImageSize Reader::both_sides(const Json& value, const std::string& key) const {
  if (value.is_array() && value.size() == 2) return {side(value[1], key), side(value[0], key)};
  if (!value.is_object() || value.size() != 2 || !value.contains("height") ||
      !value.contains("width")) {
    fail(key + " must have height and width, and nothing else");
  }
  return {side(value.at("width"), key + ".width"), side(value.at("height"), key + ".height")};
}

void Reader::read_size(Preprocessing& out, bool square) const {
  const Json* size = find("size");
  if (size == nullptr) return;
  out.shortest_edge = 0;
  if (size->is_number()) {
    const std::int32_t pixels = side(*size, "size");
    out.size = {pixels, pixels};
    if (!flag("default_to_square", square)) out.shortest_edge = pixels;
  } else if (size->is_object() && size->contains("shortest_edge")) {
    if (size->size() != 1) fail("size has shortest_edge and more, which is not known");
    out.shortest_edge = side(size->at("shortest_edge"), "size.shortest_edge");
  } else {
    out.size = both_sides(*size, "size");
  }
}

Resample Reader::filter(Resample unset) const {
  const Json* value = find("resample");
  if (value == nullptr) return unset;
  const double number = value->is_number() ? value->get<double>() : -1;
  if (!(number >= 0 && number <= 5 && number == std::floor(number))) {
    fail("resample is " + value->dump() +
         "; known are 0 (nearest), 1 (Lanczos), 2 (bilinear), 3 (bicubic), 4 (box), 5 (Hamming)");
  }
  return static_cast<Resample>(static_cast<std::uint8_t>(number));
}

std::array<double, 3> Reader::channels(const std::string& key, std::array<double, 3> unset) const {
  const Json* value = find(key);
  if (value == nullptr) return unset;
  std::array<double, 3> out;
  if (value->is_number()) {
    out.fill(number(*value, key));
    return out;
  }
  if (!value->is_array() || value->size() != out.size()) fail(key + " must be three numbers");
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = number((*value)[i], key);
  return out;
}

void Reader::refuse_unknown() const {
  // Read above, or without an effect on the pixels of an RGB picture.
  constexpr std::string_view kKnown[] = {"image_processor_type",
                                         "feature_extractor_type",
                                         "processor_class",
                                         "auto_map",
                                         "do_resize",
                                         "size",
                                         "default_to_square",
                                         "resample",
                                         "do_center_crop",
                                         "crop_size",
                                         "do_rescale",
                                         "rescale_factor",
                                         "do_normalize",
                                         "image_mean",
                                         "image_std",
                                         "do_convert_rgb",
                                         "data_format",
                                         "input_data_format",
                                         "return_tensors",
                                         "device",
                                         "disable_grouping",
                                         "image_seq_length",
                                         "model_input_names",
                                         "_valid_processor_keys",
                                         "transformers_version",
                                         "do_pad",
                                         "pad_size",
                                         "size_divisor"};
  for (const auto& [key, value] : config_.items()) {
    if (value.is_null() || std::ranges::find(kKnown, key) != std::end(kKnown)) continue;
    fail("the key " + key + " is not known, and may change what the model sees");
  }
  if (flag("do_pad", false)) fail("do_pad is not known: pictures are resized and cropped");
  if (find("size_divisor") != nullptr) fail("size_divisor is not known");
}

Preprocessing Reader::read() {
  if (!config_.is_object()) fail("this is no JSON object");
  refuse_unknown();
  const Processor& base = processor();
  Preprocessing out = base.defaults;
  out.do_resize = flag("do_resize", out.do_resize);
  out.do_center_crop = flag("do_center_crop", out.do_center_crop);
  out.do_rescale = flag("do_rescale", out.do_rescale);
  out.do_normalize = flag("do_normalize", out.do_normalize);
  read_size(out, base.square);
  if (const Json* crop = find("crop_size")) {
    out.crop_size = crop->is_number()
                        ? ImageSize{side(*crop, "crop_size"), side(*crop, "crop_size")}
                        : both_sides(*crop, "crop_size");
  }
  out.resample = filter(out.resample);
  if (const Json* factor = find("rescale_factor")) {
    out.rescale_factor = number(*factor, "rescale_factor");
    if (out.do_rescale && !(out.rescale_factor > 0)) fail("rescale_factor must be above 0");
  }
  out.image_mean = channels("image_mean", out.image_mean);
  out.image_std = channels("image_std", out.image_std);
  if (out.do_normalize && std::ranges::any_of(out.image_std, [](double s) { return !(s > 0); })) {
    fail("image_std must be above 0");
  }
  if (!out.do_center_crop && !(out.do_resize && out.shortest_edge == 0)) {
    fail(
        "pictures would keep different sizes: there is neither a size with height and width nor a "
        "centre crop");
  }
  return out;
}

}  // namespace

Preprocessing read_preprocessing(const Json& config, const std::string& source) {
  return Reader(config, source).read();
}

}  // namespace svtune
