#include "train/stream_source.h"

#include <algorithm>
#include <limits>

#include "base/errors.h"
#include "base/hash.h"
#include "libtorch/prelude.h"

namespace svtune {

std::vector<Batch> split_documents(const Batch& batch) {
  std::vector<Batch> parts;
  for (std::int64_t s = 0; s < batch.num_documents(); ++s) {
    const auto place = static_cast<std::size_t>(s);
    const std::int64_t begin = batch.offsets[place], length = batch.offsets[place + 1] - begin;
    Batch part{batch.tokens.narrow(0, begin, length),
               batch.positions.narrow(0, begin, length),
               {0, static_cast<std::int32_t>(length)}};
    part.masked = batch.masked;
    if (batch.token_types.defined()) part.token_types = batch.token_types.narrow(0, begin, length);
    if (batch.images.defined()) part.images = batch.images.narrow(0, s, 1);
    if (batch.document_targets.defined()) {
      part.document_targets = batch.document_targets.narrow(0, s, 1);
    }
    if (batch.supervised.defined()) {
      const at::Tensor inside =
          at::logical_and(batch.supervised >= begin, batch.supervised < begin + length);
      part.supervised = batch.supervised.masked_select(inside) - begin;
      part.targets = batch.targets.masked_select(inside);
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

BatchStreamOptions stream_options(const TrainConfig& config) {
  BatchStreamOptions options;
  options.sequences = config.batch.batch_size;
  options.tokens = config.batch.batch_tokens;
  options.seed = derive_seed(config.seed, "data", "order");
  options.epochs = config.max_steps ? std::numeric_limits<std::int64_t>::max() : config.epochs;
  return options;
}

BatchExtent survey(BatchStream stream, bool packing, std::int64_t max_batches) {
  constexpr std::int64_t kEnoughTokens = 1 << 23;  // of long texts a few batches tell enough
  BatchExtent extent;
  while (extent.batches < max_batches && extent.total_tokens < kEnoughTokens) {
    const std::optional<PackedBatch> batch = stream.next();
    if (!batch) break;
    ++extent.batches;
    const auto tokens = static_cast<std::int64_t>(batch->tokens.size());
    extent.total_tokens += tokens;
    for (std::size_t s = 0; s + 1 < batch->offsets.size(); ++s) {
      const std::int64_t length = batch->offsets[s + 1] - batch->offsets[s];
      extent.longest_document = std::max(extent.longest_document, length);
    }
    const auto supervised = static_cast<std::int64_t>(
        std::max({batch->supervised.size(), batch->classes.size(), batch->numbers.size()}));
    extent.tokens = std::max(extent.tokens, packing ? tokens : extent.longest_document);
    // A document alone has at most its length; a closer count would not change the forecast.
    extent.supervised =
        std::max(extent.supervised, packing ? supervised : std::min(supervised, extent.tokens));
  }
  return extent;
}

std::optional<Batch> StreamSource::next() {
  const std::optional<PackedBatch> packed = stream_.next();
  return packed ? std::optional(to_batch(*packed)) : std::nullopt;
}

Json StreamSource::position() const {
  const DataPosition at = stream_.position();
  return {{"epoch", at.epoch}, {"next", at.next}, {"data", hex64(stream_.store().fingerprint())}};
}

void StreamSource::seek(const Json& position) {
  DataPosition at;
  std::string data;
  try {
    at = {position.at("epoch").get<std::int64_t>(), position.at("next").get<std::int64_t>()};
    data = position.at("data").get<std::string>();
  } catch (const Json::exception&) {
    throw RunError("the checkpoint's data position has no epoch, next and data");
  }
  if (data != hex64(stream_.store().fingerprint())) {
    throw RunError("the training data have changed since the checkpoint was written",
                   "restore the file, or start a new run in another directory");
  }
  stream_.seek(at);
}

}  // namespace svtune
