#include "merge/model_writer.h"

#include <algorithm>
#include <cmath>

#include "base/errors.h"
#include "io/base_tensors.h"
#include "io/companion_files.h"
#include "io/prompt_files.h"
#include "io/safetensors_source.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr const char* kHeadWeight = "lm_head.weight";

struct Output {
  std::string name;
  std::vector<std::int64_t> shape;
};

std::vector<Output> list_outputs(Transformer& net, bool own_head) {
  std::vector<Output> outputs;
  for (const NamedParameter& each : net.parameters()) {
    outputs.push_back({each.name, each.tensor->sizes().vec()});
  }
  for (const Linear* linear : net.linears()) {
    if (linear == &net.head() && !own_head) continue;
    outputs.push_back(
        {linear->name() + ".weight", {linear->out_features(), linear->in_features()}});
  }
  return outputs;
}

std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

WeightChange measure(const std::string& name, const at::Tensor& before, const at::Tensor& after) {
  const at::Tensor change = after.to(before.scalar_type()) - before;
  WeightChange result{name.substr(0, name.rfind('.')), 0, 0};
  if (name.ends_with(".bias")) result.name = name;
  if (change.numel() == 0) return result;
  result.largest = change.abs().max().item<double>();
  const double norm = before.norm().item<double>();
  const double difference = change.norm().item<double>();
  result.relative_norm = norm > 0 ? difference / norm : difference;
  return result;
}

class ModelWriter {
 public:
  ModelWriter(const Model& model, const WeightChanges& changes, const MergeOptions& options)
      : model_(model), changes_(changes), options_(options) {
    report_.dtype = options.dtype.value_or(model.weights->stored_dtype());
    own_head_ = !model.net->head_is_tied() || changes.contains(kHeadWeight);
  }

  MergeReport write(const std::filesystem::path& directory) {
    const std::vector<Output> outputs = list_outputs(*model_.net, own_head_);
    std::vector<TensorSpec> specs;
    for (const Output& each : outputs)
      specs.push_back({each.name, dtype_of(report_.dtype), each.shape});
    CheckpointWriter writer(directory, specs, options_.max_shard_bytes);
    std::int64_t done = 0;
    for (const TensorSpec& each : writer.order()) {
      const at::Tensor tensor = values(each.name);
      writer.write(each.name, bytes_of(tensor));
      report_.bytes += tensor.nbytes();
      if (options_.progress) options_.progress(++done, static_cast<std::int64_t>(specs.size()));
    }
    writer.commit();
    write_file_atomic(
        directory / "config.json",
        dump_json(output_config(), {.indent = 2, .sort_keys = true, .final_newline = true}));
    copy_companion_files(model_.path, directory);
    if (options_.prompt) write_prompt_files(directory, *options_.prompt, model_.path);
    order_changes(outputs);
    return std::move(report_);
  }

 private:
  at::Tensor values(const std::string& name) {
    const auto change = changes_.find(name);
    if (change == changes_.end()) {
      return base_tensor(model_, name, report_.dtype).contiguous();
    }
    const at::ScalarType high = report_.dtype == at::kDouble ? at::kDouble : at::kFloat;
    const at::Tensor before = base_tensor(model_, name, high);
    const at::Tensor after = change->second(before).to(report_.dtype).contiguous();
    if (!std::isfinite(after.sum(at::kDouble).item<double>())) {
      throw ModelError(
          "tensor " + name + " is not finite after merging (as " + dtype_text(report_.dtype) + ")",
          "The adapter holds NaN or infinity, or the values exceed the dtype's range.");
    }
    measured_[name] = measure(name, before, after);
    return after;
  }

  void order_changes(const std::vector<Output>& outputs) {
    for (const Output& each : outputs) {
      const auto found = measured_.find(each.name);
      if (found == measured_.end()) continue;
      report_.changes.push_back(found->second);
      if (found->second.largest >= report_.largest) {
        report_.largest = found->second.largest;
        report_.largest_name = found->second.name;
      }
    }
  }

  Json output_config() const {
    Json config = model_.config;
    config.erase("quantization_config");  // what is written is dense
    const char* names[] = {"dtype", "torch_dtype"};
    const std::string text = report_.dtype == at::kBFloat16 ? "bfloat16"
                             : report_.dtype == at::kHalf   ? "float16"
                             : report_.dtype == at::kDouble ? "float64"
                                                            : "float32";
    for (const char* name : names) {
      if (config.contains(name)) config[name] = text;
    }
    if (model_.spec().tied_head && own_head_) config["tie_word_embeddings"] = false;
    return config;
  }

  const Model& model_;
  const WeightChanges& changes_;
  const MergeOptions& options_;
  MergeReport report_;
  bool own_head_ = false;
  std::map<std::string, WeightChange> measured_;
};

}  // namespace

MergeReport write_model(const Model& model, const WeightChanges& changes,
                        const std::filesystem::path& directory, const MergeOptions& options) {
  const at::NoGradGuard no_grad;
  return ModelWriter(model, changes, options).write(directory);
}

}  // namespace svtune
