#include "merge/added_bias.h"

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "models/families.h"

namespace svtune {

AddedBiases added_biases(Network& net, const std::set<std::string>& changed) {
  const auto lacks = [&](const Linear& layer) { return !layer.bias().defined(); };
  AddedBiases added;
  for (const Linear* layer : net.linears()) {
    if (!lacks(*layer) || !changed.contains(layer->name() + ".bias")) continue;
    const std::string key = bias_key(net.spec(), layer->name());
    if (key.empty()) {
      throw ModelError(layer->name() + ": lora_bias adds a bias, and a model of the type " +
                           net.spec().family + " can have none there",
                       "Use the adapter beside its base model, or train it without lora_bias.");
    }
    added.config_keys.insert(key);
  }
  for (const Linear* layer : net.linears()) {
    const std::string key = bias_key(net.spec(), layer->name());
    if (lacks(*layer) && added.config_keys.contains(key)) added.layers.push_back(layer->name());
  }
  return added;
}

}  // namespace svtune
