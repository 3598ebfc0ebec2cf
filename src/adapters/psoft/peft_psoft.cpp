// adapter_config.json of peft_type PSOFT. Semantics follow PEFT 0.21.
#include <string>

#include "adapters/psoft/psoft.h"

namespace svtune {
namespace {

constexpr char kRepeatedVectors[] =
    "peft_type is PSOFT: its files do not hold the singular vectors that turn, so those of the "
    "given base are taken with the signs that LAPACK has for them here, as PEFT does; another "
    "LAPACK or a GPU may have had others";

// How PEFT made the two sides and what stands between them, where there is a choice.
void require_paper_form(PeftKeys& keys) {
  const auto need = [&](const char* key, const char* preset) {
    const std::string text = keys.text_or(key, preset);
    if (text != preset) {
      keys.problem(std::string(key) + " is \"" + text + "\", read is \"" + preset + "\"");
    }
  };
  need("ab_svd_init", "psoft_init");
  need("psoft_svd", "full");
  if (!keys.boolean_or("psoft_orth", true)) {
    keys.problem("psoft_orth is false: what stands between the sides is no rotation");
  }
  if (keys.boolean_or("use_cayley_neumann", false)) {
    keys.problem("use_cayley_neumann is true: the series is near a rotation only");
  }
}

PsoftConfig psoft_of_keys(PeftKeys& keys) {
  PsoftConfig config;
  config.lapack_signs = true;
  config.rank = keys.integer_or("r", config.rank);
  config.dropout = keys.number_or("psoft_dropout", 0);
  if (!(config.dropout >= 0 && config.dropout < 1)) {
    keys.wrong("psoft_dropout", "at least 0 and below 1");
  }
  config.scales = keys.boolean_or("psoft_mag_a", true);
  if (keys.boolean_or("psoft_mag_b", true) != config.scales) {
    keys.problem("psoft_mag_a and psoft_mag_b differ; both scales are read, or none");
  }
  require_paper_form(keys);
  // The scaling is divided out of one side and multiplied again.
  keys.ignore({"psoft_alpha", "psoft_svd_lowrank_niter", "random_seed", "num_cayley_neumann_terms",
               "cayley_neumann_eps", "init_weights"});
  return config;
}

std::string psoft_key(const std::string& layer, const std::string& tensor) {
  const std::string of_layer = "model." + layer + ".psoft_R.";
  if (tensor == "spectral_a") return of_layer + "vector_a";
  if (tensor == "spectral_b") return of_layer + "vector_b";
  return of_layer + "weight";
}

}  // namespace

std::optional<PeftReading<PsoftConfig>> read_peft(PeftKeys& keys, std::type_identity<PsoftConfig>) {
  if (keys.type() != PsoftConfig::kPeftType) return std::nullopt;
  const PsoftConfig config = psoft_of_keys(keys);
  PeftReading<PsoftConfig> reading;
  reading.config = [config](const std::vector<std::string>&) { return config; };
  reading.own_biases = "psoft_only";
  reading.repeated_start = kRepeatedVectors;
  reading.key = [](const PeftPlace& place, const std::string& tensor) {
    return psoft_key(place.layer, tensor);
  };
  return reading;
}

}  // namespace svtune
