#include "adapter_files/replicated_layers.h"

#include "adapter_files/peft_directory.h"
#include "io/repeated_layers.h"
#include "libtorch/prelude.h"

namespace svtune {

LayerRanges adapter_layer_ranges(const std::filesystem::path& adapter) {
  const std::filesystem::path config = adapter / kPeftConfigFile;
  if (!std::filesystem::exists(config)) return {};
  const Json json = read_json_file(config);
  return json.is_object() ? layer_ranges(json.value("layer_replication", Json())) : LayerRanges();
}

}  // namespace svtune
