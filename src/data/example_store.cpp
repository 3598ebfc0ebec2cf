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
                    [this](const Json& record) { return reader_.problem(record); },
                    [this](std::string_view text) { return reader_.surely_fits(text); }}),
      encoder_(std::move(encoder)) {
  stats_.examples = index_.size();
  stats_.bad_lines = index_.num_bad();
  if (index_.size() == 0) fail_empty();
  seen_.resize(static_cast<std::size_t>(index_.size()));
  const bool keep = index_.bytes() <= kKeepBytes;
  const std::int64_t count = keep ? index_.size() : std::min(kSampled, index_.size());
  if (keep) kept_.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    TokenizedExample example = look_at(keep ? i : i * index_.size() / count);
    if (keep) kept_.push_back(std::move(example));
  }
  if (stats_.seen == stats_.dropped) fail_all_dropped();
  sample_stats_ = stats_;
  fingerprint_ = content_hash();
}

void ExampleStore::fail_empty() const {
  if (index_.num_bad() == 0) throw FileError(index_.name(), "the data set is empty");
  throw FileError(index_.name(), "no usable record: all " + std::to_string(index_.num_bad()) +
                                     " were skipped as malformed, the first in line " +
                                     index_.bad().front().place + " (" +
                                     index_.bad().front().problem + ")");
}

void ExampleStore::fail_all_dropped() const {
  throw FileError(index_.name(),
                  "none of the " + std::to_string(stats_.seen) +
                      " examples has a token to learn from (" + std::to_string(stats_.truncated) +
                      " were truncated to " + std::to_string(encoder_->options().max_length) +
                      " tokens before their answer)",
                  "Raise --max-length, or check --columns and --template.");
}

std::uint64_t ExampleStore::content_hash() const {
  Hasher64 hasher;
  hasher.update(std::to_string(index_.size()) + " " + std::to_string(index_.bytes()));
  const std::int64_t count = std::min<std::int64_t>(16, index_.size());
  for (std::int64_t i = 0; i < count; ++i) {
    hasher.update(dump_json(index_.read(i * index_.size() / count)));
  }
  return hasher.digest();
}

TokenizedExample ExampleStore::look_at(std::int64_t index) const {
  TokenizedExample example = encode(index);
  if (seen_[static_cast<std::size_t>(index)]) return example;
  seen_[static_cast<std::size_t>(index)] = true;
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
  return example;
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
      kept_.empty() ? look_at(index) : kept_.at(static_cast<std::size_t>(index));
  if (example.num_supervised() == 0) return std::nullopt;
  return example;
}

}  // namespace svtune
