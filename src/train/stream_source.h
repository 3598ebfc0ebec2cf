// Batches of data/batch_stream.h as tensors.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "data/batch_stream.h"
#include "train/batch_source.h"
#include "train/train_config.h"

namespace svtune {

// One batch per document, for running without packing.
std::vector<Batch> split_documents(const Batch& batch);

// The training order that a configuration asks for; with max_steps the data repeat as often
// as that takes.
BatchStreamOptions stream_options(const TrainConfig& config);

// What the largest batches of a stream hold; decides the memory that a run needs.
struct BatchExtent {
  std::int64_t batches = 0;
  std::int64_t tokens = 0;            // most in one batch
  std::int64_t supervised = 0;        // most in one batch, tokens
  std::int64_t longest_document = 0;  // tokens
  std::int64_t total_tokens = 0;      // of all batches looked at
};

// Looks at the next `max_batches` batches of a copy of the stream, one document at a time
// when the run does not pack.
BatchExtent survey(BatchStream stream, bool packing, std::int64_t max_batches);

class StreamSource final : public BatchSource {
 public:
  explicit StreamSource(BatchStream stream) : stream_(std::move(stream)) {}

  std::optional<Batch> next() override;
  void rewind() override { stream_.seek({}); }
  double epoch() const override { return stream_.epoch(); }
  Json position() const override;
  void seek(const Json& position) override;

  const BatchStream& stream() const { return stream_; }

 private:
  BatchStream stream_;
};

}  // namespace svtune
