// Dropout of the model itself: the rates that config.json asks for, and what one forward pass of
// training draws of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/config_reader.h"
#include "nn/ops/dropout.h"

namespace svtune {

// Probabilities in [0, 1); none: the family has no dropout at that place.
struct DropoutRates {
  std::optional<double> embedding = {};                // rows that enter the blocks
  std::optional<double> attention_weights = {};        // softmax's, of each query and key
  std::optional<double> attention_output = {};         // before its norm or sum
  std::optional<double> feed_forward_activation = {};  // before the part's last layer
  std::optional<double> feed_forward_output = {};      // before its norm or sum
  std::optional<double> distances = {};                // DeBERTa's table, anew in each block
  std::optional<double> convolution = {};              // DeBERTa V2's, before its activation
  std::optional<double> head_input = {};               // before a head's first of two layers
  std::optional<double> head_output = {};              // before a head's last layer
  // Of a document's whole branch of a block, before its sum: stochastic depth. None also where
  // config.json drops no branches, so that a rate for all places leaves them alone.
  std::optional<double> branches = {};
};

// The same places, all with one rate.
DropoutRates with_rate(const DropoutRates& rates, double probability);
// "embedding 0.1, attention weights 0.1"; empty where nothing is dropped.
std::string dropout_text(const DropoutRates& rates);

// A rate of config.json, `fallback` where it has none. A problem for those outside [0, 1).
double read_dropout(ConfigReader& config, const std::string& key, double fallback = 0);

// Of one forward pass. Each place of each block has a seed of its own, and who runs a block again
// with the same pass draws the same masks.
struct PassDropout {
  DropoutRates rates = {};
  std::optional<std::uint64_t> seed = {};  // none: nothing is dropped

  Dropout at(const std::optional<double>& rate, std::string_view place,
             std::size_t block = 0) const;
};

}  // namespace svtune
