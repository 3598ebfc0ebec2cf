// PEFT's two partial ways to train an embedding: a LoRA on it, and replaced rows for single
// tokens. Rows stay rows; with a LoRA, or beside modules that are saved whole, svtune keeps the
// result as a whole trained embedding, which is the same function.
#pragma once

#include <string>
#include <vector>

#include "adapter_files/adapter_config.h"
#include "adapter_files/tensor_filler.h"

namespace svtune {

// Paths of the modules that have a row for each word.
struct WordModules {
  std::string embedding, head;
  bool tied = false;  // one tensor
};

class EmbeddingChange {
 public:
  // `selection`: what the configuration's targets match. Throws FileError when
  // trainable_token_indices name anything but the embedding, or with it the same rows of the head,
  // the method adapts no embedding, or a head that is to stay tied to one changes otherwise.
  EmbeddingChange(const PeftConfig& config, const WordModules& words,
                  const TargetSelection& selection, const std::string& source);

  // Whether the embedding is to be kept whole.
  bool any() const { return adapted_ || (!token_rows_.empty() && beside_whole_); }
  // The same targets with the rows that train apart.
  TargetOptions with_rows(TargetOptions targets) const;
  // Targets that adapt exactly `layers` and train the embedding whole.
  TargetOptions targets(const std::vector<std::string>& layers) const;
  // Turns the leaf, which holds the base's embedding [vocab, hidden], into the changed one.
  void apply(TensorFiller& filler, const at::Tensor& leaf) const;
  // The factors and the frozen base of a head that stays tied are second copies; call after
  // apply().
  void skip_copies_of_head(TensorFiller& filler) const;

 private:
  void add_low_rank(TensorFiller& filler, const at::Tensor& leaf) const;
  void replace_rows(TensorFiller& filler, const at::Tensor& leaf) const;

  std::string key_of(const std::string& module, const std::string& suffix) const;
  void require_one_change(const std::string& source) const;

  const PeftConfig& config_;
  std::string module_, head_;
  bool adapted_;
  bool keeps_tie_;                        // of an adapted embedding and a head that is tied to it
  bool beside_whole_;                     // something else changes the embedding or the head
  std::vector<std::int64_t> token_rows_;  // ids of replaced tokens
  bool head_rows_ = false;                // and of a head of its own
};

}  // namespace svtune
