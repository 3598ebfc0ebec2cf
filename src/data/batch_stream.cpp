#include "data/batch_stream.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>

#include "base/errors.h"
#include "base/hash.h"
#include "base/random.h"

namespace svtune {

void append_document(PackedBatch& batch, const TokenizedExample& example) {
  const auto begin = static_cast<std::int64_t>(batch.tokens.size());
  for (std::size_t i = 0; i < example.ids.size(); ++i) {
    batch.tokens.push_back(example.ids[i]);
    batch.positions.push_back(static_cast<std::int64_t>(i));
    if (i + 1 < example.ids.size() && example.supervised[i + 1]) {
      batch.supervised.push_back(begin + static_cast<std::int64_t>(i));
      batch.targets.push_back(example.ids[i + 1]);
    }
  }
  batch.offsets.push_back(static_cast<std::int32_t>(batch.tokens.size()));
}

BatchStream::BatchStream(std::shared_ptr<const ExampleStore> store, BatchStreamOptions options)
    : store_(std::move(store)), options_(options) {}

void BatchStream::shuffle_epoch() {
  order_.resize(static_cast<std::size_t>(store_->size()));
  std::iota(order_.begin(), order_.end(), 0u);
  if (options_.shuffle) {
    Xoshiro256 random(derive_seed(options_.seed, "data order", std::to_string(position_.epoch)));
    random.shuffle(std::span<std::uint32_t>(order_));
  }
  shuffled_epoch_ = position_.epoch;
}

bool BatchStream::is_full(const PackedBatch& batch, const TokenizedExample& coming) const {
  if (!options_.tokens) {
    return static_cast<std::int64_t>(batch.offsets.size()) - 1 >= options_.sequences;
  }
  return !batch.tokens.empty() &&
         static_cast<std::int64_t>(batch.tokens.size() + coming.ids.size()) > *options_.tokens;
}

std::optional<PackedBatch> BatchStream::next() {
  PackedBatch batch;
  while (position_.epoch < options_.epochs) {
    if (shuffled_epoch_ != position_.epoch) shuffle_epoch();
    while (position_.next < store_->size()) {
      const auto example = store_->get(order_[static_cast<std::size_t>(position_.next)]);
      if (example && is_full(batch, *example)) return batch;
      ++position_.next;
      if (example) append_document(batch, *example);
    }
    position_ = {position_.epoch + 1, 0};
    if (!batch.tokens.empty()) return batch;
  }
  return std::nullopt;
}

void BatchStream::seek(const DataPosition& position) {
  if (position.epoch < 0 || position.next < 0 || position.next > store_->size()) {
    throw RunError("the checkpoint stands at example " + std::to_string(position.next) +
                       " of the data, which has " + std::to_string(store_->size()),
                   "Resume with the same training data.");
  }
  position_ = position;
}

std::int64_t BatchStream::batches_per_epoch() const {
  const EncodeStats& stats = store_->sample_stats();
  const double kept = static_cast<double>(stats.examples) *
                      static_cast<double>(stats.seen - stats.dropped) /
                      static_cast<double>(stats.seen);
  const auto documents = static_cast<std::int64_t>(std::llround(kept));
  if (!options_.tokens) {
    return std::max<std::int64_t>(1, (documents + options_.sequences - 1) / options_.sequences);
  }
  const double mean_length =
      static_cast<double>(stats.tokens) / static_cast<double>(stats.seen - stats.dropped);
  return std::max<std::int64_t>(
      1, static_cast<std::int64_t>(kept * mean_length / static_cast<double>(*options_.tokens) + 1));
}

double BatchStream::epoch() const {
  return static_cast<double>(position_.epoch) +
         static_cast<double>(position_.next) / static_cast<double>(store_->size());
}

}  // namespace svtune
