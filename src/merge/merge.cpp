#include "merge/merge.h"

#include "libtorch/prelude.h"

namespace svtune {

namespace {

// On top of what trained of the layer's own bias.
void add_output_bias(WeightChanges& changes, const Linear& layer) {
  const at::Tensor bias = layer.adapter()->output_bias();
  if (!bias.defined()) return;
  WeightChanger& change = changes[layer.name() + ".bias"];
  change = [trained = std::move(change), bias](const at::Tensor& base) {
    const at::Tensor own = trained ? trained(base) : base;
    return own + bias.to(own.scalar_type());
  };
}

}  // namespace

WeightChanges merged_changes(const AdapterSet& adapters) {
  WeightChanges changes;
  for (const ExtraTrainable& extra : adapters.extras) {
    if (!extra.rows.empty()) {
      changes[extra.matrix] = [rows = extra.rows, tensor = extra.tensor](const at::Tensor& base) {
        const at::Tensor ids = at::tensor(rows, at::TensorOptions().dtype(at::kLong));
        return base.index_copy(0, ids, tensor.detach().to(base.scalar_type()));
      };
      continue;
    }
    changes[extra.name] = [tensor = extra.tensor](const at::Tensor&) { return tensor.detach(); };
  }
  for (const Linear* layer : adapters.layers) {
    changes[layer->name() + ".weight"] = [layer](const at::Tensor& base) {
      return layer->adapter()->merged_weight(BaseWeight(base));
    };
    add_output_bias(changes, *layer);
  }
  return changes;
}

MergeReport write_merged(const Model& model, const AdapterSet& adapters,
                         const std::filesystem::path& directory, const MergeOptions& options) {
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
