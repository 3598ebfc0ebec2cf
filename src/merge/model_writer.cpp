#include "merge/model_writer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>

#include "base/errors.h"
#include "io/base_tensors.h"
#include "io/companion_files.h"
#include "io/preprocessor_file.h"
#include "io/prompt_files.h"
#include "io/safetensors_source.h"
#include "io/stored_names.h"
#include "io/transposed_source.h"
#include "libtorch/prelude.h"
#include "merge/added_bias.h"

namespace svtune {
namespace {

struct Output {
  std::string name;
  std::vector<std::int64_t> shape;
};

std::vector<Output> list_outputs(Network& net, bool own_head, const AddedBiases& added) {
  std::vector<Output> outputs;
  for (const NamedParameter& each : net.parameters()) {
    outputs.push_back({each.name, each.tensor->sizes().vec()});
  }
  for (const Linear* linear : net.linears()) {
    if (linear == &net.head() && !own_head) continue;
    outputs.push_back(
        {linear->name() + ".weight", {linear->out_features(), linear->in_features()}});
    if (std::ranges::count(added.layers, linear->name()) > 0) {
      outputs.push_back({linear->name() + ".bias", {linear->out_features()}});
    }
  }
  return outputs;
}

// What an image model's classifier does not read, such as the mask of pretraining.
std::vector<Output> list_unread(const Model& model) {
  std::vector<Output> outputs;
  if (!model.spec().image || !model.stored_names) return outputs;
  for (const std::string& end : model.spec().buffers) {
    const std::string name = model.spec().base_prefix + end;
    const std::string stored = model.stored_names->of(name);
    const auto dtype = model.weights->dtype(stored);
    if (dtype && !at::isFloatingType(*dtype)) continue;  // numbers of places
    const auto tensor = model.weights->read(stored, at::kFloat);
    if (tensor) outputs.push_back({name, tensor->sizes().vec()});
  }
  return outputs;
}

// Whatever the locale.
std::string fixed_text(double value, int digits) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits);
  return {text, end.ptr};
}

std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

StoredChange measure(const std::string& name, const at::Tensor& before,
                     const RoundedWeight& written) {
  const at::Tensor change = written.values.to(before.scalar_type()) - before;
  StoredChange result{name.substr(0, name.rfind('.')), 0, 0, written.kept, written.stochastic};
  if (name.ends_with(".bias")) result.name = name;
  if (change.numel() == 0) return result;
  result.largest = change.abs().max().item<double>();
  const double norm = before.norm().item<double>();
  const double difference = change.norm().item<double>();
  result.relative_norm = norm > 0 ? difference / norm : difference;
  return result;
}

Json report_json(const MergeReport& report, const RoundingOptions& rounding) {
  Json json = Json::object();
  json["dtype"] = dtype_text(report.dtype);
  json["rounding"] = std::string(enum_name(rounding.mode));
  json["seed"] = rounding.seed;
  json["update_kept"] = report.kept.share();
  json["relative_error"] = report.kept.relative_error();
  json["changes"] = Json::array();
  for (const StoredChange& each : report.changes) {
    json["changes"].push_back({{"name", each.name},
                               {"largest", each.largest},
                               {"relative_norm", each.relative_norm},
                               {"rounding", each.stochastic ? "stochastic" : "nearest"},
                               {"update_kept", each.kept.share()},
                               {"relative_error", each.kept.relative_error()}});
  }
  return json;
}

class ModelWriter {
 public:
  ModelWriter(const Model& model, const WeightChanges& changes, const MergeOptions& options)
      : model_(model), changes_(changes), options_(options) {
    report_.dtype = options.dtype.value_or(model.weights->stored_dtype());
    own_head_ =
        !model.net->head_is_tied() || changes.contains(model.net->head().name() + ".weight");
    std::set<std::string> names;
    for (const auto& [name, change] : changes) names.insert(name);
    added_ = added_biases(*model.net, names);
  }

  MergeReport write(const std::filesystem::path& directory) {
    std::vector<Output> outputs = list_outputs(*model_.net, own_head_, added_);
    for (Output& each : list_unread(model_)) outputs.push_back(std::move(each));
    std::vector<TensorSpec> specs;
    for (const Output& each : outputs) {
      specs.push_back({each.name, dtype_of(written_dtype(each.name)), each.shape});
      if (is_transposed(model_.spec(), each.name)) std::ranges::reverse(specs.back().shape);
    }
    CheckpointWriter writer(directory, specs, options_.max_shard_bytes);
    std::int64_t done = 0;
    for (const TensorSpec& each : writer.order()) {
      const at::Tensor tensor =
          turned(model_.spec(), each.name, values(each.name, each.shape)).contiguous();
      writer.write(each.name, bytes_of(tensor));
      report_.bytes += tensor.nbytes();
      if (options_.progress) options_.progress(++done, static_cast<std::int64_t>(specs.size()));
    }
    writer.commit();
    write_file_atomic(
        directory / "config.json",
        dump_json(output_config(), {.indent = 2, .sort_keys = true, .final_newline = true}));
    copy_companion_files(model_.path, directory);
    write_preprocessor(directory, model_.preprocessor);
    if (options_.prompt) write_prompt_files(directory, *options_.prompt, model_.path);
    order_changes(outputs);
    write_file_atomic(
        directory / kMergeReportFile,
        dump_json(report_json(report_, options_.rounding), {.indent = 2, .final_newline = true}));
    return std::move(report_);
  }

 private:
  at::Tensor values(const std::string& name, const std::vector<std::int64_t>& shape) {
    const auto change = changes_.find(name);
    const at::ScalarType dtype = written_dtype(name);
    if (change == changes_.end()) return before(name, shape, dtype).contiguous();
    const at::ScalarType high = dtype == at::kDouble ? at::kDouble : at::kFloat;
    const at::Tensor base = before(name, shape, high);
    const RoundedWeight written =
        round_weight(name, base, change->second(base), dtype, options_.rounding);
    if (!std::isfinite(written.values.sum(at::kDouble).item<double>())) {
      throw ModelError(
          "tensor " + name + " is not finite after merging (as " + dtype_text(dtype) + ")",
          "The adapter holds NaN or infinity, or the values exceed the dtype's range.");
    }
    measured_[name] = measure(name, base, written);
    return written.values;
  }

  // What the base stores wider than most of its weights keeps that dtype, unless one is asked for.
  at::ScalarType written_dtype(const std::string& name) const {
    return options_.dtype ? *options_.dtype : kept_dtype(model_, name, report_.dtype);
  }

  // The base's tensor; an added bias is zero there.
  at::Tensor before(const std::string& name, const std::vector<std::int64_t>& shape,
                    at::ScalarType dtype) const {
    constexpr std::string_view kBias = ".bias";
    if (name.ends_with(kBias) &&
        std::ranges::count(added_.layers, name.substr(0, name.size() - kBias.size())) > 0) {
      return at::zeros(shape, dtype);
    }
    return base_tensor(model_, name, dtype);
  }

  void order_changes(const std::vector<Output>& outputs) {
    for (const Output& each : outputs) {
      const auto found = measured_.find(each.name);
      if (found == measured_.end()) continue;
      report_.changes.push_back(found->second);
      report_.kept.add(found->second.kept);
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
    for (const std::string& key : added_.config_keys) config[key] = true;
    return config;
  }

  const Model& model_;
  const WeightChanges& changes_;
  const MergeOptions& options_;
  MergeReport report_;
  bool own_head_ = false;
  AddedBiases added_;
  std::map<std::string, StoredChange> measured_;
};

}  // namespace

std::string rounding_summary(const MergeReport& report) {
  const bool narrow = report.dtype == at::kBFloat16 || report.dtype == at::kHalf;
  if (!narrow || report.changes.empty()) return "";
  const auto worst = std::ranges::min_element(
      report.changes, {}, [](const StoredChange& each) { return each.kept.share(); });
  const auto stochastic = std::ranges::count_if(
      report.changes, [](const StoredChange& each) { return each.stochastic; });
  const auto percent = [](double share) { return fixed_text(100 * share, 1) + " %"; };
  return dtype_text(report.dtype) + " keeps " + percent(report.kept.share()) +
         " of the update (least: " + percent(worst->kept.share()) + " in " + worst->name +
         "), relative error " + fixed_text(report.kept.relative_error(), 3) + ", " +
         std::to_string(stochastic) + " of " + std::to_string(report.changes.size()) +
         " weights rounded stochastically";
}

MergeReport write_model(const Model& model, const WeightChanges& changes,
                        const std::filesystem::path& directory, const MergeOptions& options) {
  const at::NoGradGuard no_grad;
  return ModelWriter(model, changes, options).write(directory);
}

}  // namespace svtune
