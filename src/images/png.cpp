// PNG by libpng. Only chunks that carry pixels are read, so that profiles and texts can neither
// cost memory nor spoil a picture.
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <vector>

#include "base/errors.h"
#include "images/codecs.h"
#include "images/guarded.h"

namespace svtune::detail {
namespace {

extern "C" {

static void png_fail(png_structp png, png_const_charp message) {
  auto* escape = static_cast<EscapePoint*>(png_get_error_ptr(png));
  std::strncpy(escape->message, message, sizeof(escape->message) - 1);
  std::longjmp(escape->place, 1);
}

static void png_ignore(png_structp, png_const_charp) {}

static void png_take(png_structp png, png_bytep into, std::size_t count) {
  auto* left = static_cast<Bytes*>(png_get_io_ptr(png));
  if (left->size() < count) png_error(png, "it ends too early");
  std::memcpy(into, left->data(), count);
  *left = left->subspan(count);
}

}  // extern "C"

class PngReader {
 public:
  PngReader(Bytes bytes, const std::string& name) : name_(name), left_(bytes) {
    run([&] {
      png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &escape_, png_fail, png_ignore);
      if (png_ != nullptr) info_ = png_create_info_struct(png_);
      if (info_ == nullptr) return;
      png_set_read_fn(png_, &left_, png_take);
      png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
      png_set_chunk_malloc_max(png_, 1 << 20);
      png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
      png_read_info(png_, info_);
    });
    if (info_ == nullptr) {
      release();
      throw FileError(name_, "libpng cannot be started (another version, or no memory)");
    }
  }
  ~PngReader() { release(); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  ImageSize size() const {
    return {static_cast<std::int32_t>(png_get_image_width(png_, info_)),
            static_cast<std::int32_t>(png_get_image_height(png_, info_))};
  }

  Image decode();

 private:
  template <class Step>
  void run(const Step& step) {
    if (guarded(escape_, step)) return;
    release();
    throw FileError(name_, std::string("the PNG picture is damaged: ") + escape_.message);
  }
  void release() { png_destroy_read_struct(&png_, &info_, nullptr); }
  bool has_palette() const { return png_get_color_type(png_, info_) == PNG_COLOR_TYPE_PALETTE; }
  void look_up(Image& image) const;

  const std::string& name_;
  Bytes left_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  EscapePoint escape_ = {};
};

Image PngReader::decode() {
  require_readable_size(size(), name_);
  Image image = blank_image(size());
  const auto width = static_cast<std::size_t>(image.width);
  const bool palette = has_palette();
  // Indices fill the last third of each row.
  const std::size_t row_bytes = palette ? width : 3 * width;
  std::vector<png_bytep> rows(static_cast<std::size_t>(image.height));
  for (std::size_t y = 0; y < rows.size(); ++y) {
    rows[y] = image.rgb.data() + 3 * width * (y + 1) - row_bytes;
  }
  run([&] {
    if (palette) {
      png_set_packing(png_);
    } else {
      png_set_strip_16(png_);
      png_set_expand_gray_1_2_4_to_8(png_);
      png_set_strip_alpha(png_);
      png_set_gray_to_rgb(png_);
    }
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_rowbytes(png_, info_) != row_bytes) png_error(png_, "rows of an odd length");
    png_read_image(png_, rows.data());
    png_read_end(png_, nullptr);
  });
  if (palette) look_up(image);
  return image;
}

void PngReader::look_up(Image& image) const {
  png_colorp colours = nullptr;
  int count = 0;
  png_get_PLTE(png_, info_, &colours, &count);
  const auto width = static_cast<std::size_t>(image.width);
  for (std::size_t y = 0; y < static_cast<std::size_t>(image.height); ++y) {
    std::uint8_t* const row = image.rgb.data() + 3 * width * y;
    for (std::size_t x = 0; x < width; ++x) {
      const int index = row[2 * width + x];
      if (index >= count) {
        throw FileError(name_, "the PNG picture is damaged: colour " + std::to_string(index) +
                                   " of a palette of " + std::to_string(count));
      }
      row[3 * x] = colours[index].red;
      row[3 * x + 1] = colours[index].green;
      row[3 * x + 2] = colours[index].blue;
    }
  }
}

}  // namespace

ImageSize png_size(Bytes bytes, const std::string& name) { return PngReader(bytes, name).size(); }

Image decode_png(Bytes bytes, const std::string& name) { return PngReader(bytes, name).decode(); }

}  // namespace svtune::detail
