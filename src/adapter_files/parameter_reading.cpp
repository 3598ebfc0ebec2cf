#include "adapter_files/parameter_reading.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "adapter_files/adapter_config.h"
#include "adapter_files/factor_size.h"
#include "adapter_files/fused_factors.h"
#include "adapter_files/layer_parameters.h"
#include "adapter_files/peft_directory.h"
#include "adapter_files/running_names.h"
#include "adapters/low_rank/low_rank_config.h"
#include "base/errors.h"
#include "base/text_util.h"
#include "formats/safetensors_header.h"
#include "io/transposed_source.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// What of a file's keys decides the factors' sizes, and what PEFT has no place for there.
constexpr const char* kOwnKeys[] = {"r", "lora_alpha", "rank_pattern", "alpha_pattern",
                                    "lora_dropout"};

bool is_meant(const std::string& path, const std::string& target) {
  return path == target || path.ends_with("." + target);
}

[[noreturn]] void refuse_target(Network& net, const std::string& target, const std::string& what) {
  std::set<std::string> known;
  for (const LayerParameter& each : layer_parameters(net)) known.insert(short_name(each.path()));
  const std::vector<std::string> names(known.begin(), known.end());
  throw UsageError(std::string(kTargetParameters) + " \"" + target + "\" " + what,
                   "Allowed are matrices of linear layers: " + join_some(names, ", ", 12) + ".");
}

std::vector<LayerParameter> targeted(Network& net, const std::vector<std::string>& targets) {
  std::vector<LayerParameter> found;
  std::set<std::string> unused(targets.begin(), targets.end());
  for (LayerParameter& each : layer_parameters(net)) {
    bool meant = false;
    for (const std::string& target : targets) {
      if (!is_meant(each.path(), target)) continue;
      meant = true;
      unused.erase(target);
      if (is_transposed(net.spec(), each.experts[0][0]->name() + ".weight")) {
        refuse_target(net, target, "means " + each.path() + ", which is stored as [in, out]");
      }
    }
    if (meant) found.push_back(std::move(each));
  }
  for (const NamedParameter& each : net.parameters()) {
    const std::string path = path_in_memory(net.spec(), each.name);
    for (const std::string& target : targets) {
      if (is_meant(path, target)) refuse_target(net, target, "also means " + path);
    }
  }
  if (!unused.empty()) refuse_target(net, *unused.begin(), "matches no parameter of the model");
  return found;
}

// A parameter's tensors as a file holds them.
struct StoredParameter {
  LayerParameter parameter;
  std::string key;  // with the file's prefix, up to the factors' names
  FactorSize size;
  FusedFactors factors;
};

// Reads them; what does not fit goes to `problems`.
class StoredParameters {
 public:
  StoredParameters(const std::filesystem::path& weights, std::vector<std::string>& problems)
      : file_(weights), problems_(problems) {}

  StoredParameter read(const LayerParameter& parameter, std::string key, FactorSize size) {
    const auto experts = static_cast<std::int64_t>(parameter.experts.size());
    const std::int64_t components = size.rank * experts;
    const at::Tensor A = tensor(key + kPeftFactorA, {components, parameter.in_features()});
    const at::Tensor B = tensor(key + kPeftFactorB, {parameter.out_features(), components});
    return {parameter, std::move(key), size, {A, B, size.rank}};
  }

 private:
  at::Tensor tensor(const std::string& key, const std::vector<std::int64_t>& shape) {
    if (!file_.has(key)) {
      problems_.push_back(key + " is missing");
      return at::zeros(shape, at::kFloat);
    }
    const at::Tensor stored = file_.take(key, at::kFloat).contiguous();
    if (stored.sizes() == at::IntArrayRef(shape)) return stored;
    problems_.push_back(key + " has shape " + shape_text(stored.sizes()) +
                        ", the model and the configuration need " +
                        shape_text(at::IntArrayRef(shape)));
    return at::zeros(shape, at::kFloat);
  }

  TensorFiller file_;
  std::vector<std::string>& problems_;
};

std::vector<StoredParameter> stored_parameters(const std::vector<LayerParameter>& parameters,
                                               const Json& config,
                                               const std::filesystem::path& weights) {
  std::vector<std::string> problems;
  StoredParameters file(weights, problems);
  const std::vector<std::string> paths = tensor_paths(parameters);
  std::vector<StoredParameter> stored;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    stored.push_back(file.read(parameters[i], kPeftKeyPrefix + paths[i] + ".",
                               factor_size(config, parameters[i].path())));
  }
  if (problems.empty()) return stored;
  throw FileError(weights.string(), join_some(problems, "; ", 8),
                  "Does the adapter belong to this base model, and its configuration to its "
                  "weights?");
}

void add_tensors(const FactorsByLayer& factors, ParameterReading& reading) {
  for (const auto& [layer, own] : factors) {
    reading.tensors.push_back({kPeftKeyPrefix + layer + "." + kPeftFactorA, own.A});
    reading.tensors.push_back({kPeftKeyPrefix + layer + "." + kPeftFactorB, own.B});
  }
}

// The adapter of svtune.json, where PEFT's files are what is written for it.
class OfRecord {
 public:
  OfRecord(Network& net, const AdapterRecord& record, const Json& config)
      : net_(net), record_(record), config_(config) {}

  // `by_layers` is the configuration in layers' words, as the file alone gives it.
  std::optional<ParameterReading> reading(const std::vector<StoredParameter>& stored,
                                          const Json& by_layers) {
    if (!find_layers() || !fits_modules(stored, by_layers)) return std::nullopt;
    ParameterReading own{by_layers, {}, {}};
    for (const StoredParameter& each : stored) {
      if (!add(each, own)) return std::nullopt;
    }
    for (const char* key : kOwnKeys) own.config[key] = told_.at(key);
    own.config["target_modules"] = shortest_targets(net_, names_, record_.targets.modules_to_save);
    return own;
  }

 private:
  // The layers that the record adapts, and what is written for them.
  bool find_layers() {
    try {
      names_ = select_targets(net_, record_.targets).adapted;
    } catch (const UsageError&) {  // of another model
      return false;
    }
    const std::set<std::string> wanted(names_.begin(), names_.end());
    std::vector<Linear*> layers;
    for (Linear* layer : net_.linears()) {
      if (wanted.contains(layer->name())) layers.push_back(layer);
    }
    const std::optional<PeftForm> form = method_peft_form(record_.method, layers);
    if (!form || !form->adapts_parameters) return false;
    told_ = form->keys;
    for (const std::string& name : names_) sizes_[name] = factor_size(told_, name);
    return sizes_.empty() || sizes_.begin()->second.rslora == factor_size(config_, "").rslora;
  }

  // Layers beside the parameters are the same ones, of the same size.
  bool fits_modules(const std::vector<StoredParameter>& stored, const Json& by_layers) const {
    std::set<std::string> inside, modules;
    for (const StoredParameter& each : stored) {
      for (const Linear* layer : each.parameter.layers()) inside.insert(layer->name());
    }
    for (const auto& [name, size] : sizes_) {
      if (inside.contains(name)) continue;
      const FactorSize read = factor_size(by_layers, name);
      if (read.rank != size.rank || !nearly_equal(read.alpha, size.alpha)) return false;
      modules.insert(name);
    }
    TargetOptions targets;
    targets.target_modules = by_layers.at("target_modules").get<std::vector<std::string>>();
    targets.modules_to_save = record_.targets.modules_to_save;
    const TargetSelection selection = select_targets(net_, targets);
    if (selection.embedding) return false;
    for (const std::string& name : selection.adapted) {
      if (!inside.contains(name) && modules.erase(name) == 0) return false;
    }
    return modules.empty();
  }

  bool add(const StoredParameter& stored, ParameterReading& reading) const {
    std::map<std::string, std::int64_t> ranks;
    const FactorSize* first = nullptr;  // whose scaling the parameter has
    for (const Linear* layer : stored.parameter.layers()) {
      const auto size = sizes_.find(layer->name());
      if (size == sizes_.end()) continue;
      if (first == nullptr) first = &size->second;
      ranks[layer->name()] = size->second.rank;
    }
    if (first == nullptr || !nearly_equal(first->scaling(), stored.size.scaling())) return false;
    auto factors = split_factors(stored.parameter, stored.factors, ranks);
    if (!factors) return false;
    for (auto& [layer, own] : *factors) {
      const double scaling = sizes_.at(layer).scaling();
      if (!nearly_equal(scaling, first->scaling())) own.B = own.B * (first->scaling() / scaling);
    }
    add_tensors(*factors, reading);
    return true;
  }

  Network& net_;
  const AdapterRecord& record_;
  const Json& config_;
  std::vector<std::string> names_;
  std::map<std::string, FactorSize> sizes_;
  Json told_;
};

// Whether the file has factors beside those of the parameters.
bool has_modules(const std::filesystem::path& weights, const std::vector<StoredParameter>& stored) {
  TensorFiller file(weights);
  for (const StoredParameter& each : stored) {
    for (const char* end : {kPeftFactorA, kPeftFactorB}) file.skip(each.key + end);
  }
  const std::vector<std::string> others = file.unread();
  return std::ranges::any_of(
      others, [](const std::string& key) { return key.find(".lora_") != std::string::npos; });
}

ParameterReading read_targeted(Network& net, const PeftConfig& parsed, const Json& config,
                               const std::filesystem::path& directory,
                               const std::optional<SideFile>& side) {
  const std::vector<LayerParameter> parameters = targeted(net, parsed.method.target_parameters);
  const std::vector<StoredParameter> stored =
      stored_parameters(parameters, config, peft_weights_file(directory));
  Json named = config;
  // Whether PEFT adds modules of its own for the family depends on its version: the file tells.
  const bool names_none = config.value("target_modules", Json()).is_null();
  if (names_none && !has_modules(peft_weights_file(directory), stored)) {
    named["target_modules"] = Json::array();
  }
  ParameterReading reading{
      stored_config(net, named, (directory / kPeftConfigFile).string(), parameters), {}, {}};
  std::optional<ParameterReading> own;
  if (side) own = OfRecord(net, side->record, config).reading(stored, reading.config);
  if (own) {
    reading = std::move(*own);
  } else {
    for (const StoredParameter& each : stored) {
      add_tensors(with_shared_A(each.parameter, each.factors), reading);
    }
  }
  for (const StoredParameter& each : stored) {
    for (const char* end : {kPeftFactorA, kPeftFactorB}) {
      reading.keys.push_back(stored_path(names_in_memory(net.spec()), each.key + end));
    }
  }
  return reading;
}

}  // namespace

void ParameterReading::supply(TensorFiller& filler) const {
  for (const std::string& key : keys) filler.skip(key);
  for (const NamedTensor& each : tensors) filler.supply(each.name, each.tensor);
}

std::optional<ParameterReading> read_parameters(Network& net, const Json& config,
                                                const std::filesystem::path& directory,
                                                const std::optional<SideFile>& side) {
  const auto given = config.is_object() ? config.find(kTargetParameters) : config.end();
  if (given == config.end() || given->is_null() || *given == Json::array()) return std::nullopt;
  const std::string source = (directory / kPeftConfigFile).string();
  std::vector<std::string> unused;  // warnings come when the translated one is read
  const PeftConfig parsed = parse_peft_config(config, source, unused);
  try {
    return read_targeted(net, parsed, config, directory, side);
  } catch (const UsageError& error) {
    throw file_error_of(source, error);
  }
}

}  // namespace svtune
