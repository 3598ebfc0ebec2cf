// JPEG by libjpeg-turbo.
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

// clang-format off: jpeglib.h needs <cstdio>, jerror.h needs jpeglib.h
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include "base/errors.h"
#include "images/codecs.h"
#include "images/guarded.h"

namespace svtune::detail {
namespace {

constexpr int kMostScans = 500;  // real ones have about ten; more only cost time

struct JpegErrors {
  jpeg_error_mgr base;  // first: libjpeg knows this part
  EscapePoint escape;
};
static_assert(sizeof(EscapePoint::message) >= JMSG_LENGTH_MAX);

extern "C" {

static void jpeg_fail(j_common_ptr info) {
  EscapePoint& escape = reinterpret_cast<JpegErrors*>(info->err)->escape;
  info->err->format_message(info, escape.message);
  std::longjmp(escape.place, 1);
}

// Warnings (a level below 0) are damage, but for three that leave every pixel as it is.
static void jpeg_message(j_common_ptr info, int level) {
  const int code = info->err->msg_code;
  if (level >= 0 || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM ||
      code == JWRN_EXTRANEOUS_DATA || code == JWRN_BOGUS_ICC) {
    return;
  }
  jpeg_fail(info);
}

static void jpeg_progress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMostScans) return;
  EscapePoint& escape = reinterpret_cast<JpegErrors*>(info->err)->escape;
  std::strcpy(escape.message, "it has hundreds of scans");
  std::longjmp(escape.place, 1);
}

}  // extern "C"

class JpegReader {
 public:
  JpegReader(Bytes bytes, const std::string& name) : name_(name) {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = jpeg_fail;
    errors_.base.emit_message = jpeg_message;
    progress_.progress_monitor = jpeg_progress;
    const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
    const auto size = static_cast<unsigned long>(bytes.size());
    run([&] {
      jpeg_create_decompress(&info_);
      info_.progress = &progress_;
      jpeg_mem_src(&info_, data, size);
      jpeg_read_header(&info_, TRUE);
    });
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  // JPEG's sides have 16 bits.
  ImageSize size() const {
    return {static_cast<std::int32_t>(info_.image_width),
            static_cast<std::int32_t>(info_.image_height)};
  }

  Image decode();

 private:
  template <class Step>
  void run(const Step& step) {
    if (guarded(errors_.escape, step)) return;
    const std::string message = errors_.escape.message;
    jpeg_destroy_decompress(&info_);  // twice is harmless, and a constructor has no destructor
    throw FileError(name_, "the JPEG picture is damaged: " + message);
  }

  const std::string& name_;
  jpeg_decompress_struct info_ = {};
  jpeg_progress_mgr progress_ = {};
  JpegErrors errors_ = {};
};

std::uint8_t multiply_255(int a, int b) {
  const int product = a * b + 128;
  return static_cast<std::uint8_t>(((product >> 8) + product) >> 8);
}

// Inks are stored inverted, as Adobe does; the rest is Pillow's arithmetic.
void rgb_of_cmyk(const std::uint8_t* inks, std::uint8_t* rgb, std::size_t width) {
  for (std::size_t x = 0; x < width; ++x, inks += 4, rgb += 3) {
    const int light = inks[3];
    for (int c = 0; c < 3; ++c) {
      const int value = light - multiply_255(255 - inks[c], light);
      rgb[c] = static_cast<std::uint8_t>(value < 0 ? 0 : value);
    }
  }
}

Image JpegReader::decode() {
  require_readable_size(size(), name_);
  const int channels = info_.num_components;
  if (channels != 1 && channels != 3 && channels != 4) {
    throw FileError(name_, "the JPEG picture has " + std::to_string(channels) +
                               " channels; 1, 3 and 4 are known");
  }
  Image image = blank_image(size());
  const auto width = static_cast<std::size_t>(image.width);
  std::vector<std::uint8_t> inks(channels == 4 ? 4 * width : 0);
  std::uint8_t* const rgb = image.rgb.data();
  run([&] {
    info_.out_color_space = channels == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      std::uint8_t* const row = rgb + 3 * width * info_.output_scanline;
      JSAMPROW target = channels == 4 ? inks.data() : row;
      jpeg_read_scanlines(&info_, &target, 1);
      if (channels == 4) rgb_of_cmyk(target, row, width);
    }
  });
  return image;
}

}  // namespace

ImageSize jpeg_size(Bytes bytes, const std::string& name) { return JpegReader(bytes, name).size(); }

Image decode_jpeg(Bytes bytes, const std::string& name) { return JpegReader(bytes, name).decode(); }

}  // namespace svtune::detail
