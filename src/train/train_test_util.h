// For tests only: a tiny random decoder with LoRA, and batches that are made up.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "adapters/lora/lora.h"
#include "adapters/low_rank/low_rank_adapter.h"
#include "base/hash.h"
#include "base/random.h"
#include "infer/tiny_decoder_test_util.h"
#include "libtorch/prelude.h"
#include "models/network.h"
#include "nn/adapter_set.h"
#include "train/batch_source.h"

namespace svtune::test {

inline ArchSpec tiny_spec() {
  ArchSpec spec = tiny_decoder_spec();
  spec.vocab_size = 61;
  spec.max_positions = 128;
  return spec;
}

struct Rig {
  std::unique_ptr<Network> net;
  AdapterSet adapters;
};

inline Rig lora_rig(at::ScalarType dtype, double dropout = 0, const ArchSpec& spec = tiny_spec()) {
  Rig rig{tiny_decoder(spec, dtype), {}};
  rig.adapters.method = "lora";
  LoraConfig config;
  config.low_rank.rank = 4;
  config.low_rank.dropout = dropout;
  for (Linear* layer : rig.net->linears()) {
    if (layer == &rig.net->head()) continue;
    layer->attach(
        make_adapter(config, {layer->name(), layer->base(), hash64(layer->name())}).adapter);
    rig.adapters.layers.push_back(layer);
  }
  return rig;
}

using Document = std::vector<std::int64_t>;

// Documents in one row; every token but a document's first is a target.
inline Batch pack(const std::vector<Document>& documents) {
  std::vector<std::int64_t> tokens, positions, supervised, targets;
  Batch batch;
  batch.offsets.push_back(0);
  for (const Document& document : documents) {
    for (std::size_t i = 0; i < document.size(); ++i) {
      if (i + 1 < document.size()) {
        supervised.push_back(static_cast<std::int64_t>(tokens.size()));
        targets.push_back(document[i + 1]);
      }
      tokens.push_back(document[i]);
      positions.push_back(static_cast<std::int64_t>(i));
    }
    batch.offsets.push_back(static_cast<std::int32_t>(tokens.size()));
  }
  const auto longs = at::TensorOptions().dtype(at::kLong);
  batch.tokens = at::tensor(tokens, longs);
  batch.positions = at::tensor(positions, longs);
  batch.supervised = at::tensor(supervised, longs);
  batch.targets = at::tensor(targets, longs);
  return batch;
}

inline std::vector<Document> random_documents(std::size_t count, std::uint64_t seed) {
  Xoshiro256 random(seed);
  std::vector<Document> documents(count);
  for (Document& document : documents) {
    document.resize(3 + random.bounded(9));
    for (std::int64_t& token : document) token = static_cast<std::int64_t>(random.bounded(61));
  }
  return documents;
}

// Micro-batches of `per_batch` documents, over and over.
class CyclicSource final : public BatchSource {
 public:
  CyclicSource(std::vector<Document> documents, std::size_t per_batch, std::int64_t limit = -1)
      : documents_(std::move(documents)), per_batch_(per_batch), limit_(limit) {}

  std::optional<Batch> next() override {
    if (limit_ >= 0 && given_ >= limit_) return std::nullopt;
    std::vector<Document> chosen;
    for (std::size_t i = 0; i < per_batch_; ++i) {
      chosen.push_back(
          documents_[(static_cast<std::size_t>(given_) * per_batch_ + i) % documents_.size()]);
    }
    ++given_;
    return pack(chosen);
  }
  void rewind() override { given_ = 0; }
  double epoch() const override {
    return static_cast<double>(given_) * static_cast<double>(per_batch_) /
           static_cast<double>(documents_.size());
  }
  Json position() const override { return {{"given", given_}}; }
  void seek(const Json& position) override { given_ = position.at("given").get<std::int64_t>(); }

 private:
  std::vector<Document> documents_;
  std::size_t per_batch_;
  std::int64_t limit_, given_ = 0;
};

}  // namespace svtune::test
