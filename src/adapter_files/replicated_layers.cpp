#include "adapter_files/replicated_layers.h"

#include "adapter_files/peft_directory.h"
#include "formats/layer_ranges.h"
#include "libtorch/prelude.h"

namespace svtune {

LayerRanges adapter_layer_ranges(const std::filesystem::path& adapter) {
  const std::filesystem::path config = adapter / kPeftConfigFile;
  if (!std::filesystem::exists(config)) return {};
  const Json json = read_json_file(config);
  if (!json.is_object()) return {};
  return layer_ranges(json.value("layer_replication", Json())).value_or(LayerRanges());
}

}  // namespace svtune
