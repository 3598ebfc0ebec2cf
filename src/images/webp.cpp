// WebP by libwebp.
#include <webp/decode.h>

#include "base/errors.h"
#include "images/codecs.h"

namespace svtune::detail {
namespace {

const std::uint8_t* data_of(Bytes bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

void require_ok(VP8StatusCode status, const std::string& name) {
  switch (status) {
    case VP8_STATUS_OK:
      return;
    case VP8_STATUS_OUT_OF_MEMORY:
      throw FileError(name, "there is not enough memory for the WebP picture");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      throw FileError(name, "the WebP picture uses what libwebp does not know");
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      throw FileError(name, "the WebP picture is damaged: it ends too early");
    default:
      throw FileError(name, "the WebP picture is damaged");
  }
}

WebPBitstreamFeatures features_of(Bytes bytes, const std::string& name) {
  WebPBitstreamFeatures features;
  require_ok(WebPGetFeatures(data_of(bytes), bytes.size(), &features), name);
  if (features.has_animation != 0) {
    throw FileError(name, "an animated WebP, of which no single picture is chosen",
                    "Save the frame that counts as a picture of its own.");
  }
  return features;
}

}  // namespace

ImageSize webp_size(Bytes bytes, const std::string& name) {
  const WebPBitstreamFeatures features = features_of(bytes, name);
  return {features.width, features.height};
}

Image decode_webp(Bytes bytes, const std::string& name) {
  const ImageSize size = webp_size(bytes, name);
  require_readable_size(size, name);
  Image image = blank_image(size);
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) {
    throw FileError(name, "libwebp has another version than svtune was built with");
  }
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = image.rgb.data();
  config.output.u.RGBA.stride = 3 * size.width;
  config.output.u.RGBA.size = image.rgb.size();
  const VP8StatusCode status = WebPDecode(data_of(bytes), bytes.size(), &config);
  WebPFreeDecBuffer(&config.output);
  require_ok(status, name);
  return image;
}

}  // namespace svtune::detail
