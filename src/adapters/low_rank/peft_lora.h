// adapter_config.json of peft_type LORA, which LoRA, PiSSA and DoRA share: the translation between
// its keys and svtune's words. Semantics follow PEFT 0.21.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "adapters/low_rank/low_rank_config.h"
#include "adapters/peft_form.h"

namespace svtune {

// init_lora_weights. What starts from the base as it is counts as one of the first three once it
// is trained, and so does "lora_ga", whose base PEFT does not change again on loading; starts whose
// change of the base the files do not determine are refused when read.
enum class PeftLoraInit {
  kUniform,   // true, and starts that need nothing afterwards
  kLinear,    // false: both factors as ordinary linear layers start
  kGaussian,  // "gaussian"
  kPissa,     // "pissa": exact, so that it can be repeated
  kOlora,     // "olora": as exact
  kEva,       // "eva": written only
};

// What loading repeats of PiSSA's start.
inline constexpr char kPeftPissaStart[] =
    "init_lora_weights is \"pissa\": the principal part of the given base is taken out again, as "
    "PEFT does";

// And of OLoRA's.
inline constexpr char kPeftOloraStart[] =
    "init_lora_weights is \"olora\": the part of the given base that its QR decomposition gives is "
    "taken out again, as PEFT does";

struct PeftLoraKeys {
  std::int64_t rank = 8;
  double alpha = 8;
  double dropout = 0;
  bool rslora = false;
  bool branch_bias = false;  // lora_bias
  bool dora = false;         // use_dora
  PeftLoraInit init = PeftLoraInit::kUniform;
  // In the file's order: the first key that matches counts.
  std::vector<std::pair<std::string, std::int64_t>> rank_pattern;
  std::vector<std::pair<std::string, double>> alpha_pattern;
  Json trainable_tokens;  // trainable_token_indices as written; null when absent
  LayerRanges layer_replication;
  std::vector<std::string> target_parameters;

  // Rank and alpha of a module after the patterns.
  std::int64_t rank_of(const std::string& module) const;
  double alpha_of(const std::string& module) const;
  PeftEmbedding embedding(const std::string& module) const;
};

// Which of the methods of this type a configuration means, before it is read whole.
struct PeftLoraKind {
  bool lora = false;  // peft_type is LORA
  bool dora = false;
  bool pissa = false;
  bool kasa = false;
};
PeftLoraKind peft_lora_kind(PeftKeys& keys);

// Notes as problems what is of wrong type, out of range, or changes the mathematics and is not
// supported, and what PEFT refuses beside target_parameters.
PeftLoraKeys read_peft_lora(PeftKeys& keys);

// The file's keys.
Json peft_lora_json(const PeftLoraKeys& keys);

// svtune's options for the same adapter on these modules. Patterns that would resolve
// otherwise in sorted order are rewritten as full names.
LowRankConfig low_rank_config(const PeftLoraKeys& keys, const std::vector<std::string>& modules);

// The reverse: PEFT's keys for what svtune's options mean on these modules.
PeftLoraKeys peft_lora_keys(const LowRankConfig& config, const std::vector<std::string>& modules);

// The form for these keys, and what all methods of this type read alike.
PeftForm peft_lora_form(const PeftLoraKeys& keys);
template <class Config>
PeftReading<Config> peft_lora_reading(const PeftLoraKeys& keys) {
  PeftReading<Config> reading;
  reading.own_biases = peft_lora_form(keys).own_biases;
  reading.trainable_tokens = keys.trainable_tokens;
  reading.layer_replication = keys.layer_replication;
  reading.target_parameters = keys.target_parameters;
  reading.embedding = [keys](const std::string& module) { return keys.embedding(module); };
  return reading;
}

}  // namespace svtune
