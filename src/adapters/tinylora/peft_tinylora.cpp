// adapter_config.json of peft_type TINYLORA. Semantics follow PEFT 0.21.
#include <algorithm>
#include <cmath>
#include <string>

#include "adapters/tinylora/tinylora.h"
#include "base/number_text.h"

namespace svtune {
namespace {

// Which of the trained vectors a layer uses: layers in a row share one, as many as the tying says.
std::size_t vector_group(const PeftPlace& place, double tying) {
  const auto layers = static_cast<double>(place.layers);
  // Python's round(), which takes halves to the even number, as this does.
  const double wanted = std::max(1.0, std::nearbyint(layers * (1.0 - tying)));
  const auto groups = static_cast<std::size_t>(wanted);
  const std::size_t size = std::max<std::size_t>(1, place.layers / groups);
  return std::min(place.index / size, groups - 1);
}

std::string tinylora_key(const PeftPlace& place, const std::string& tensor, double tying) {
  if (tensor == "spectral_v") return "tinylora_v." + std::to_string(vector_group(place, tying));
  const std::string of_layer = "model." + place.layer + ".tinylora_";
  if (tensor == "spectral_L") return of_layer + "B";
  return of_layer + (tensor == "spectral_R" ? "A" : "P");
}

double read_tying(PeftKeys& keys) {
  const double tying = keys.number_or("weight_tying", 0);
  if (!(tying >= 0 && tying <= 1)) keys.wrong("weight_tying", "from 0 to 1");
  if (tying > 0 && tying < 1) {
    keys.warn("weight_tying is " + general(tying, 3) +
              ": layers that share a vector in PEFT have copies of it here, which train apart");
  }
  return tying;
}

}  // namespace

std::optional<PeftReading<TinyloraConfig>> read_peft(PeftKeys& keys,
                                                     std::type_identity<TinyloraConfig>) {
  if (keys.type() != TinyloraConfig::kPeftType) return std::nullopt;
  TinyloraConfig config;
  config.rank = keys.integer_or("r", config.rank);
  config.numbers = keys.integer_or("u", config.numbers);
  config.dropout = keys.number_or("tinylora_dropout", 0);
  if (!(config.dropout >= 0 && config.dropout < 1)) {
    keys.wrong("tinylora_dropout", "at least 0 and below 1");
  }
  // The fixed matrices are made before any tensor of the file is read.
  const auto fixed = keys.stored_shape("tinylora_P");
  if (fixed && !fixed->empty() && fixed->front() != config.numbers) {
    keys.wrong("u", std::to_string(fixed->front()) + ", the number of matrices in tinylora_P");
  }
  const double tying = read_tying(keys);
  if (tying == 1) config.tie = TinyloraTie::kAll;
  if (!keys.boolean_or("save_projection", true)) {
    keys.problem(
        "save_projection is false: the fixed matrices are drawn by PEFT from a seed and "
        "not in the file; save it in PEFT with save_projection");
  }
  keys.ignore({"projection_seed", "init_v_bound", "init_weights"});
  PeftReading<TinyloraConfig> reading;
  reading.config = [config](const std::vector<std::string>&) { return config; };
  reading.own_biases = "tinylora_only";
  reading.key = [tying](const PeftPlace& place, const std::string& tensor) {
    return tinylora_key(place, tensor, tying);
  };
  reading.stores_frozen = true;
  reading.counts_layers = tying < 1;
  return reading;
}

}  // namespace svtune
