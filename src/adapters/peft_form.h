// How a method stands in PEFT's files: as data that the file code writes and reads.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "adapters/peft_keys.h"
#include "base/json.h"
#include "formats/layer_ranges.h"
#include "nn/linear.h"

namespace svtune {

struct PeftForm {
  std::string type;                // peft_type
  Json keys;                       // the type's own keys of adapter_config.json
  std::string own_biases;          // what the type calls "biases of adapted layers" in the key bias
  bool ties_words = false;         // the type knows ensure_weight_tying
  bool adapts_parameters = false;  // PEFT takes it with target_parameters too
  // Loading the files gives the adapter back whole; otherwise svtune's state file lies beside
  // them.
  bool complete = true;
  // Tensors of one layer as the file holds them; unset: the trained ones under their own names.
  std::function<std::vector<NamedTensor>(Adapter&)> tensors = {};
  bool stores_shared = false;  // MethodState::shared() is in the file
};

// PEFT's adapter on an embedding E [vocab, hidden]: E + scaling · (up · down)ᵀ, whose columns DoRA
// gives lengths of their own.
struct PeftEmbedding {
  std::string down, up;  // suffixes of the tensors [rank, vocab] and [hidden, rank]
  // Of a head that is tied to E and keeps so: the same ones turned, [rank, hidden] = upᵀ and
  // [vocab, rank] = downᵀ.
  std::string head_down, head_up;
  std::string lengths = {};  // of the sum's columns [hidden]; empty: they follow from the sum
  std::int64_t rank = 0;
  double scaling = 1;
};

// One of the adapted layers, by its place among them in the model's order.
struct PeftPlace {
  const std::string& layer;
  std::size_t index, layers;
};

// What adapter_config.json says, in the words of one method.
template <class Config>
struct PeftReading {
  // The options that mean the same on these modules.
  std::function<Config(const std::vector<std::string>& modules)> config;
  std::string own_biases;  // see PeftForm
  // What PEFT does again with the base on loading, and so do we; empty: nothing.
  std::string repeated_start = {};
  bool stores_shared = false;
  // Where the file calls a layer's tensors otherwise than the adapter does: the key behind
  // "base_model." of one that trains, and where `stores_frozen`, of each that is frozen.
  std::function<std::string(const PeftPlace& place, const std::string& tensor)> key = {};
  bool stores_frozen = false;
  bool counts_layers = false;  // in the keys, in the order in which transformers has them
  // Adds what this file holds beside the method's own tensors.
  std::function<void(Linear&)> add_parts = {};
  std::function<PeftEmbedding(const std::string& module)> embedding = {};  // unset: cannot adapt it
  Json trainable_tokens;  // trainable_token_indices as written; null when absent
  LayerRanges layer_replication;
  std::vector<std::string> target_parameters = {};
};

// The form of a LoRA with rank `rank`, alpha = rank, and no patterns, and its factors' names.
struct PlainLowRankForm {
  PeftForm form;
  std::string down, up;
  std::string bias;  // of the branch; in the file when with_bias() was called
  void with_bias() {
    form.keys["lora_bias"] = true;
    form.adapts_parameters = false;
  }
};
PlainLowRankForm plain_low_rank_form(std::int64_t rank);

}  // namespace svtune
