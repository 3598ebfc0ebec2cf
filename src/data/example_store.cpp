#include "data/example_store.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/hash.h"

namespace svtune {
namespace {

constexpr std::uint64_t kKeepBytes = std::uint64_t{24} << 20;  // files up to this size are kept
constexpr std::int64_t kSampled = 1000;                        // examples of larger ones

}  // namespace

ExampleStore::ExampleStore(const std::filesystem::path& path, const DataOptions& options,
                           std::shared_ptr<const ExampleEncoder> encoder)
    : reader_(options.format, options.columns),
      index_(path, {options.skip_bad_lines,
                    [this](const Json& record) { return reader_.problem(record); }}),
      encoder_(std::move(encoder)) {
  stats_.examples = index_.size();
  stats_.bad_lines = index_.num_bad();
  if (index_.size() == 0) {
    throw FileError(index_.name(), stats_.bad_lines == 0
                                       ? "the data set is empty"
                                       : "no usable record, " + std::to_string(stats_.bad_lines) +
                                             " were skipped as malformed");
  }
  const bool keep = index_.bytes() <= kKeepBytes;
  const std::int64_t count = keep ? index_.size() : std::min(kSampled, index_.size());
  if (keep) kept_.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) look_at(keep ? i : i * index_.size() / count, keep);
  if (stats_.seen == stats_.dropped) {
    throw FileError(index_.name(),
                    "none of the " + std::to_string(stats_.seen) +
                        " examples has a token to learn from (" + std::to_string(stats_.truncated) +
                        " were truncated to " + std::to_string(encoder_->options().max_length) +
                        " tokens before their answer)",
                    "Raise --max-length, or check --columns and --template.");
  }
  Hasher64 hasher;
  hasher.update(std::to_string(index_.size()) + " " + std::to_string(index_.bytes()));
  for (std::int64_t i = 0; i < std::min<std::int64_t>(16, index_.size()); ++i) {
    hasher.update(index_.read(i * index_.size() / 16 % index_.size()).dump());
  }
  fingerprint_ = hasher.digest();
}

void ExampleStore::look_at(std::int64_t index, bool keep) {
  TokenizedExample example = encode(index);
  ++stats_.seen;
  if (example.truncated) ++stats_.truncated;
  const std::int64_t supervised = example.num_supervised();
  if (supervised == 0) {
    ++stats_.dropped;
  } else {
    stats_.tokens += static_cast<std::int64_t>(example.ids.size());
    stats_.supervised += supervised;
    stats_.longest = std::max(stats_.longest, static_cast<std::int64_t>(example.ids.size()));
  }
  if (keep) kept_.push_back(std::move(example));
}

Example ExampleStore::example(std::int64_t index) const {
  const Json record = index_.read(index);
  return reader_.example(record);
}

TokenizedExample ExampleStore::encode(std::int64_t index) const {
  try {
    return encoder_->encode(example(index));
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    throw FileError(index_.name() + ":" + std::to_string(index_.line(index)), error.what(),
                    error.hint());
  }
}

std::optional<TokenizedExample> ExampleStore::get(std::int64_t index) const {
  TokenizedExample example =
      kept_.empty() ? encode(index) : kept_.at(static_cast<std::size_t>(index));
  if (example.num_supervised() == 0) return std::nullopt;
  return example;
}

}  // namespace svtune
