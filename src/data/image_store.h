// Images with a class or a number each, as pixels of one size. Every image is decoded once at the
// start, by several threads: a broken one is known before training. What fits into `memory` is
// kept, resized and cropped, in bytes; the others are decoded again by threads that run ahead of
// the batches.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/image_records.h"
#include "data/labelled_documents.h"
#include "images/preprocess.h"

namespace svtune {

struct ImageStoreOptions {
  Preprocessing preprocessing = {};
  std::int64_t tokens_per_image = 0;              // of the model: patches and special tokens
  std::optional<LabelSet> labels = {};            // unset: every label is a number
  bool skip_bad_lines = false;                    // leave out images that cannot be decoded
  std::uint64_t memory = std::uint64_t{1} << 30;  // bytes of images kept
  int threads = 0;                                // 0: one per core, 8 at most
};

// Why an image cannot be decoded and prepared, with its image_name() as place; nullopt when it can.
std::optional<BadRecord> image_problem(const ImageRecords& images, const LabelledRecord& record,
                                       const Preprocessing& preprocessing);

class ImageStore final : public LabelledDocuments {
 public:
  // Images done, of how many; called by the constructing thread.
  using Progress = std::function<void(std::int64_t done, std::int64_t total)>;

  // Throws FileError for an image that cannot be decoded (unless skipped), for a label that
  // `options` does not know or that is no number; UsageError for tokens_per_image below 1.
  ImageStore(ImageRecords images, ImageStoreOptions options, const Progress& progress = {});
  ~ImageStore() override;

  std::int64_t size() const override;
  std::int64_t length(std::int64_t index) const override;
  // Appends pixels, `tokens_per_image` tokens 0 with their positions, and the class or number.
  // Throws FileError when the file has changed so that it cannot be decoded any more.
  void append_to(PackedBatch& batch, std::int64_t index) const override;
  std::int64_t tokens() const override;
  // Of the files' bytes and the labels; does not depend on the preprocessing.
  std::uint64_t fingerprint() const override;
  void expect(std::span<const std::uint32_t> coming) const override;

  const LabelSet* labels() const override { return options_.labels ? &*options_.labels : nullptr; }
  const ImageStoreOptions& options() const { return options_; }
  const ImageRecords& images() const { return images_; }
  const LabelledRecords& records() const override { return images_.table; }
  ImageSize image_size() const { return image_size_; }
  // Of an image, in [0, size()).
  std::int64_t class_of(std::int64_t index) const;
  double number_of(std::int64_t index) const;
  std::string summary() const override;
  std::vector<std::string> losses() const override;

 private:
  class Pixels;

  ImageRecords images_;
  ImageStoreOptions options_;
  ImageSize image_size_;
  std::uint64_t fingerprint_ = 0;
  std::vector<std::int64_t> classes_;
  std::vector<double> numbers_;
  std::unique_ptr<Pixels> pixels_;
};

}  // namespace svtune
