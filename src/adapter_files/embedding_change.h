// PEFT's two partial ways to train an embedding: a LoRA on it, and replaced rows for single
// tokens. svtune keeps the result as a whole trained embedding, which is the same function.
#pragma once

#include <string>
#include <vector>

#include "adapter_files/adapter_config.h"
#include "adapter_files/tensor_filler.h"

namespace svtune {

class EmbeddingChange {
 public:
  // `module`: the embedding's path. `adapted`: the configuration's targets match it. Throws
  // FileError when trainable_token_indices name anything else, or the method adapts no embedding.
  EmbeddingChange(const PeftConfig& config, const std::string& module, bool adapted,
                  const std::string& source);

  bool any() const { return adapted_ || !token_rows_.empty(); }
  // Targets that adapt exactly `layers` and train the embedding whole.
  TargetOptions targets(const std::vector<std::string>& layers) const;
  // Turns the leaf, which holds the base's embedding [vocab, hidden], into the changed one.
  void apply(TensorFiller& filler, const at::Tensor& leaf) const;

 private:
  void add_low_rank(TensorFiller& filler, const at::Tensor& leaf) const;
  void replace_rows(TensorFiller& filler, const at::Tensor& leaf) const;

  std::string key_of(const std::string& suffix) const;

  const PeftConfig& config_;
  std::string module_;
  bool adapted_;
  std::vector<std::int64_t> token_rows_;  // ids of replaced tokens
};

}  // namespace svtune
