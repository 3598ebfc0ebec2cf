#include "data/batch_stream.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "base/errors.h"
#include "base/hash.h"
#include "base/random.h"

namespace svtune {

BatchStream::BatchStream(std::shared_ptr<const DocumentStore> store, BatchStreamOptions options)
    : store_(std::move(store)), options_(options) {}

std::vector<std::uint32_t> BatchStream::order_of(std::int64_t epoch) const {
  std::vector<std::uint32_t> order(static_cast<std::size_t>(store_->size()));
  std::iota(order.begin(), order.end(), 0u);
  if (options_.shuffle) {
    Xoshiro256 random(derive_seed(options_.seed, "data order", std::to_string(epoch)));
    random.shuffle(std::span<std::uint32_t>(order));
  }
  return order;
}

bool BatchStream::is_full(std::int64_t documents, std::int64_t tokens, std::int64_t coming) const {
  if (!options_.tokens) return documents >= options_.sequences;
  return documents > 0 && tokens + coming > *options_.tokens;
}

std::optional<PackedBatch> BatchStream::next() {
  PackedBatch batch;
  while (position_.epoch < options_.epochs) {
    if (shuffled_epoch_ != position_.epoch) order_ = order_of(position_.epoch);
    shuffled_epoch_ = position_.epoch;
    if (!announced_) {
      store_->expect(std::span(order_).subspan(static_cast<std::size_t>(position_.next)));
      announced_ = true;
    }
    while (position_.next < store_->size()) {
      const std::int64_t index = order_[static_cast<std::size_t>(position_.next)];
      const std::int64_t length = store_->length(index);
      const auto documents = static_cast<std::int64_t>(batch.offsets.size()) - 1;
      const auto tokens = static_cast<std::int64_t>(batch.tokens.size());
      if (length > 0 && is_full(documents, tokens, length)) return batch;
      ++position_.next;
      store_->append_in_pass(batch, index, position_.epoch);
    }
    position_ = {position_.epoch + 1, 0};
    announced_ = false;
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
  announced_ = false;
}

std::int64_t BatchStream::batches_of(std::int64_t epoch) const {
  std::int64_t batches = 0, documents = 0, tokens = 0;
  for (const std::uint32_t index : order_of(epoch)) {
    const std::int64_t length = store_->length(index);
    if (length == 0) continue;
    if (is_full(documents, tokens, length)) {
      ++batches;
      documents = tokens = 0;
    }
    ++documents;
    tokens += length;
  }
  return batches + (documents > 0 ? 1 : 0);
}

std::int64_t BatchStream::total_batches() const {
  // Only batches by tokens depend on the order.
  if (!options_.tokens || !options_.shuffle) return options_.epochs * batches_of(0);
  std::int64_t batches = 0;
  for (std::int64_t epoch = 0; epoch < options_.epochs; ++epoch) batches += batches_of(epoch);
  return batches;
}

double BatchStream::tokens_per_batch() const {
  return static_cast<double>(store_->tokens()) / static_cast<double>(batches_of(0));
}

double BatchStream::epoch() const {
  return static_cast<double>(position_.epoch) +
         static_cast<double>(position_.next) / static_cast<double>(store_->size());
}

}  // namespace svtune
