// Plain data that describes a network: its sizes, and how its family builds and names it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "models/rope.h"

namespace svtune {

class Builder;
struct NetworkParts;

// Linear layers whose path holds `within` have biases where config.json sets `key`.
struct BiasKey {
  std::string key, within;
};

struct ArchSpec {
  std::string family;  // model_type of config.json
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_layers = 0;
  std::int64_t num_heads = 0;
  std::int64_t num_kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t max_positions = 0;  // tokens
  bool tied_head = false;
  RopeSpec rope;

  // What base models saved without their head leave out in front of tensor names.
  std::string base_prefix;
  std::vector<std::string> default_targets;  // PEFT's for the family
  std::vector<BiasKey> bias_keys;
  // Ends of names of tensors that older files hold and that carry no information.
  std::vector<std::string> buffers;
  std::function<NetworkParts(const ArchSpec& spec, const Builder& builder)> build;
};

}  // namespace svtune
