// Micro-batches of packed examples in a seeded order that can be resumed anywhere.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "data/document_store.h"
#include "data/example_store.h"

namespace svtune {

struct BatchStreamOptions {
  std::int64_t sequences = 4;               // of a batch; ignored with `tokens`
  std::optional<std::int64_t> tokens = {};  // fill batches up to this many tokens instead
  bool shuffle = true;
  std::uint64_t seed = 0;
  std::int64_t epochs = 1;
};

// Where a stream stands: everything that its future depends on.
struct DataPosition {
  std::int64_t epoch = 0;
  std::int64_t next = 0;  // place in the epoch's order
};

class BatchStream {
 public:
  BatchStream(std::shared_ptr<const DocumentStore> store, BatchStreamOptions options);

  // nullopt after the last epoch. Batches do not reach over the end of an epoch.
  std::optional<PackedBatch> next();
  DataPosition position() const { return position_; }
  void seek(const DataPosition& position);
  // Batches of all epochs, counted from the lengths of the examples: as many as next() gives
  // from the start. Requires a number of epochs that can be gone through.
  std::int64_t total_batches() const;
  // Mean size of a batch.
  double tokens_per_batch() const;
  double epoch() const;
  const DocumentStore& store() const { return *store_; }

 private:
  std::vector<std::uint32_t> order_of(std::int64_t epoch) const;
  std::int64_t batches_of(std::int64_t epoch) const;
  // Whether a batch of so many documents and tokens has no room for another document.
  bool is_full(std::int64_t documents, std::int64_t tokens, std::int64_t coming) const;

  std::shared_ptr<const DocumentStore> store_;
  BatchStreamOptions options_;
  DataPosition position_;
  std::int64_t shuffled_epoch_ = -1;
  std::vector<std::uint32_t> order_;
  bool announced_ = false;  // the store knows what is left of the epoch
};

}  // namespace svtune
