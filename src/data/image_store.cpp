#include "data/image_store.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/errors.h"
#include "base/hash.h"
#include "base/text_util.h"
#include "data/image_cache.h"
#include "data/numbered_jobs.h"

namespace svtune {
namespace {

constexpr std::uint64_t kAheadBytes = std::uint64_t{1} << 28;  // of images loaded ahead
constexpr std::size_t kMostAhead = 512;

std::size_t place(std::int64_t index) { return static_cast<std::size_t>(index); }

struct Checked {
  std::optional<Image> kept;
  std::uint64_t hash = 0;  // of the image's bytes as they are stored
};

Image fitted(const ImageRecords& images, const LabelledRecord& record,
             const Preprocessing& preprocessing, std::uint64_t* hash = nullptr) {
  const Image image = load_image(images, record, hash);
  try {
    return fit_image(image, preprocessing);
  } catch (const UsageError& error) {
    throw FileError(images.image_name(record), error.what(), error.hint());
  }
}

[[noreturn]] void rethrow_with_hint(const std::exception_ptr& problem) {
  try {
    std::rethrow_exception(problem);
  } catch (Error& error) {
    error.add_to_hint("Broken images are left out with --skip-bad-lines.");
    throw;
  }
}

// What was thrown in words, without the image's name in front; lets other exceptions pass.
std::string words_of(const std::exception_ptr& problem, const std::string& name) {
  try {
    std::rethrow_exception(problem);
  } catch (const Error& error) {
    const std::string text = error.what();
    return text.starts_with(name + ": ") ? text.substr(name.size() + 2) : text;
  }
}

std::uint64_t bytes_of(ImageSize size) {
  return 3 * static_cast<std::uint64_t>(size.width) * static_cast<std::uint64_t>(size.height);
}

// Every image is decoded; records of broken ones are taken out.
std::vector<Checked> check_all(ImageRecords& images, const ImageStoreOptions& options,
                               ImageSize size, const ImageStore::Progress& progress) {
  std::vector<LabelledRecord>& records = images.table.records;
  std::vector<Checked> checked(records.size());
  const std::uint64_t kept = options.memory / bytes_of(size);
  NumberedJobs jobs{.count = records.size(),
                    .threads = thread_count(options.threads),
                    .stop_at_error = !options.skip_bad_lines,
                    .run = [&](std::size_t i) {
                      Image image =
                          fitted(images, records[i], options.preprocessing, &checked[i].hash);
                      if (i < kept) checked[i].kept = std::move(image);
                    }};
  const auto total = static_cast<std::int64_t>(records.size());
  if (progress) {
    jobs.progress = [&](std::size_t done) { progress(static_cast<std::int64_t>(done), total); };
  }
  const std::vector<std::exception_ptr> problems = run_jobs(jobs);
  std::size_t good = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (problems[i]) {
      if (!options.skip_bad_lines) rethrow_with_hint(problems[i]);
      const std::string name = images.image_name(records[i]);
      images.table.leave_out(name, words_of(problems[i], name));
      continue;
    }
    if (good != i) {
      records[good] = std::move(records[i]);
      checked[good] = std::move(checked[i]);
    }
    ++good;
  }
  records.resize(good);
  checked.resize(good);
  return checked;
}

[[noreturn]] void refuse_empty(const LabelledRecords& records) {
  std::string text = "no image can be read";
  if (!records.bad.empty()) {
    text += ": all " + std::to_string(records.num_bad) + " were left out as bad, the first is " +
            records.bad[0].place + " (" + records.bad[0].problem + ")";
  }
  throw FileError(records.name, text);
}

}  // namespace

std::optional<BadRecord> image_problem(const ImageRecords& images, const LabelledRecord& record,
                                       const Preprocessing& preprocessing) {
  try {
    fitted(images, record, preprocessing);
    return std::nullopt;
  } catch (const Error&) {
    std::string name = images.image_name(record);
    std::string words = words_of(std::current_exception(), name);
    return BadRecord{std::move(name), std::move(words)};
  }
}

class ImageStore::Pixels : public ImageCache {
 public:
  using ImageCache::ImageCache;
};

ImageStore::ImageStore(ImageRecords images, ImageStoreOptions options, const Progress& progress)
    : images_(std::move(images)),
      options_(std::move(options)),
      image_size_(output_size(options_.preprocessing)) {
  if (options_.tokens_per_image < 1) throw UsageError("an image must have one token at least");
  // Before the images, since it takes no time.
  for (const LabelledRecord& record : images_.table.records) {
    if (options_.labels) {
      require_class(images_.table, record, *options_.labels);
    } else {
      svtune::number_of(images_.table, record);
    }
  }
  std::vector<Checked> checked = check_all(images_, options_, image_size_, progress);
  if (checked.empty()) refuse_empty(images_.table);
  Hasher64 hasher;
  std::vector<std::optional<Image>> kept;
  for (std::size_t i = 0; i < checked.size(); ++i) {
    const LabelledRecord& record = images_.table.records[i];
    if (options_.labels) {
      classes_.push_back(require_class(images_.table, record, *options_.labels));
    } else {
      numbers_.push_back(svtune::number_of(images_.table, record));
    }
    hasher.update(hex64(checked[i].hash) + " " + record.label + "\n");
    kept.push_back(std::move(checked[i].kept));
  }
  fingerprint_ = hasher.digest();
  const std::size_t fitting = kAheadBytes / bytes_of(image_size_);
  const int threads = thread_count(options_.threads);
  pixels_ = std::make_unique<Pixels>(
      std::move(kept),
      [this](std::size_t i) {
        return fitted(images_, images_.table.records[i], options_.preprocessing);
      },
      ImageCacheOptions{std::clamp<std::size_t>(fitting, place(threads), kMostAhead), threads});
}

ImageStore::~ImageStore() = default;

std::int64_t ImageStore::size() const {
  return static_cast<std::int64_t>(images_.table.records.size());
}

std::int64_t ImageStore::length(std::int64_t) const { return options_.tokens_per_image; }

std::int64_t ImageStore::tokens() const { return size() * options_.tokens_per_image; }

std::uint64_t ImageStore::fingerprint() const { return fingerprint_; }

std::int64_t ImageStore::class_of(std::int64_t index) const { return classes_.at(place(index)); }

double ImageStore::number_of(std::int64_t index) const { return numbers_.at(place(index)); }

void ImageStore::expect(std::span<const std::uint32_t> coming) const { pixels_->expect(coming); }

void ImageStore::append_to(PackedBatch& batch, std::int64_t index) const {
  pixels_->take(place(index), [&](const Image& image) {
    append_normalized(image, options_.preprocessing, batch.pixels);
  });
  batch.image_height = image_size_.height;
  batch.image_width = image_size_.width;
  for (std::int64_t i = 0; i < options_.tokens_per_image; ++i) {
    batch.tokens.push_back(0);
    batch.positions.push_back(i);
  }
  batch.offsets.push_back(static_cast<std::int32_t>(batch.tokens.size()));
  if (options_.labels) {
    batch.classes.push_back(class_of(index));
  } else {
    batch.numbers.push_back(static_cast<float>(number_of(index)));
  }
}

std::string ImageStore::summary() const {
  return options_.labels ? class_summary(images_.table, *options_.labels)
                         : number_summary(images_.table);
}

std::vector<std::string> ImageStore::losses() const {
  if (images_.table.num_bad == 0) return {};
  std::string text = images_.table.name + ": " + std::to_string(images_.table.num_bad) +
                     " bad images are left out";
  for (const BadRecord& bad : images_.table.bad) text += "\n  " + bad.place + ": " + bad.problem;
  return {text};
}

}  // namespace svtune
