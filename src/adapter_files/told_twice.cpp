#include "adapter_files/told_twice.h"

#include <algorithm>

#include "adapter_files/adapter_config.h"
#include "adapter_files/peft_directory.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr const char* kStart = "init_lora_weights";

bool mean_the_same(const Json& a, const Json& b, const std::vector<std::string>& layers) {
  if (!a.is_object() || !b.is_object()) return a == b;
  return std::ranges::all_of(layers, [&](const auto& layer) {
    return pattern_value(a, layer) == pattern_value(b, layer);
  });
}

}  // namespace

std::vector<std::string> contradicted_keys(const AdapterRecord& told, const Attached& read) {
  const std::string method = method_name(told.method);
  if (method != method_name(read.record.method)) return {"peft_type"};
  const std::vector<Linear*> layers = adapted_layers(read.adapters);
  const auto of_told = method_peft_form(told.method, layers);
  const auto of_read = method_peft_form(read.record.method, layers);
  std::vector<std::string> keys;
  if (told.targets.bias != read.record.targets.bias) keys.emplace_back("bias");
  if (!of_told || !of_read) return keys;
  const std::vector<std::string> names = names_of(layers);
  for (const auto& [key, value] : of_told->keys.items()) {
    const bool same = key == kStart || (of_read->keys.contains(key) &&
                                        mean_the_same(value, of_read->keys.at(key), names));
    if (!same) keys.push_back(key);
  }
  return keys;
}

}  // namespace svtune
