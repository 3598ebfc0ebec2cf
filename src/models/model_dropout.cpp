#include "models/model_dropout.h"

#include "base/hash.h"
#include "base/number_text.h"

namespace svtune {
namespace {

struct DropoutPlace {
  const char* name;
  std::optional<double> DropoutRates::* rate;
};

constexpr DropoutPlace kDropoutPlaces[] = {
    {"embedding", &DropoutRates::embedding},
    {"attention weights", &DropoutRates::attention_weights},
    {"attention output", &DropoutRates::attention_output},
    {"feed-forward activation", &DropoutRates::feed_forward_activation},
    {"feed-forward output", &DropoutRates::feed_forward_output},
    {"table of distances", &DropoutRates::distances},
    {"convolution", &DropoutRates::convolution},
    {"head's input", &DropoutRates::head_input},
    {"head's output layer", &DropoutRates::head_output},
    {"whole branches", &DropoutRates::branches},
};

}  // namespace

DropoutRates with_rate(const DropoutRates& rates, double probability) {
  DropoutRates changed = rates;
  for (const DropoutPlace& place : kDropoutPlaces) {
    if (changed.*place.rate) changed.*place.rate = probability;
  }
  return changed;
}

std::string dropout_text(const DropoutRates& rates) {
  std::string text;
  for (const DropoutPlace& place : kDropoutPlaces) {
    const double rate = (rates.*place.rate).value_or(0);
    if (rate > 0) text += (text.empty() ? "" : ", ") + (place.name + (" " + general(rate, 3)));
  }
  return text;
}

double read_dropout(ConfigReader& config, const std::string& key, double fallback) {
  const double rate = config.number_or(key, fallback);
  if (rate >= 0 && rate < 1) return rate;
  config.problem("\"" + key + "\" must be at least 0 and below 1");
  return 0;
}

Dropout PassDropout::at(const std::optional<double>& rate, std::string_view place,
                        std::size_t block) const {
  if (!seed || rate.value_or(0) <= 0) return {};
  return {*rate, derive_seed(*seed, place, std::to_string(block))};
}

}  // namespace svtune
