#include "merge/merge.h"

#include "libtorch/prelude.h"

namespace svtune {

WeightChanges merged_changes(const AdapterSet& adapters) {
  WeightChanges changes;
  for (const Linear* layer : adapters.layers) {
    changes[layer->name() + ".weight"] = [layer](const at::Tensor& base) {
      return layer->adapter()->merged_weight(BaseWeight(base));
    };
  }
  for (const ExtraTrainable& extra : adapters.extras) {
    changes[extra.name] = [tensor = extra.tensor](const at::Tensor&) { return tensor.detach(); };
  }
  return changes;
}

MergeReport write_merged(const Model& model, const AdapterSet& adapters,
                         const std::filesystem::path& directory,
                         const std::optional<TrainedPrompt>& prompt) {
  MergeOptions options;
  options.prompt = prompt;
  return write_model(model, merged_changes(adapters), directory, options);
}

MergeReport merge_to_directory(const Model& model, const AdapterSet& adapters,
                               const std::filesystem::path& directory,
                               const MergeOptions& options) {
  AtomicDirectory output(directory, options.if_exists);
  MergeReport report = write_model(model, merged_changes(adapters), output.staging(), options);
  output.commit();
  return report;
}

}  // namespace svtune
