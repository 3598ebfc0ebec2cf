#include "peft/adapter_load.h"

#include <algorithm>
#include <set>

#include "adapters/lora/low_rank_adapter.h"
#include "base/errors.h"
#include "base/text_util.h"
#include "io/safetensors_source.h"
#include "linalg/torch_pch.h"
#include "peft/attach.h"
#include "peft/base_tensors.h"
#include "peft/lora_directory.h"

namespace svtune {
namespace {

// What attaching changes in a network, to be put back when the values do not fit.
class NetSnapshot {
 public:
  explicit NetSnapshot(Transformer& net) : net_(net) {
    for (Linear* linear : net.linears()) bases_.emplace_back(linear, linear->base());
    for (const NamedParameter& each : net.parameters()) {
      parameters_.emplace_back(each.tensor, *each.tensor);
    }
  }
  ~NetSnapshot() {
    if (kept_) return;
    for (auto& [linear, base] : bases_) {
      linear->detach();
      linear->replace_base(base);
    }
    for (auto& [place, tensor] : parameters_) *place = tensor;
  }
  NetSnapshot(const NetSnapshot&) = delete;
  NetSnapshot& operator=(const NetSnapshot&) = delete;

  void keep() { kept_ = true; }

 private:
  Transformer& net_;
  std::vector<std::pair<Linear*, BaseWeight>> bases_;
  std::vector<std::pair<at::Tensor*, at::Tensor>> parameters_;
  bool kept_ = false;
};

// Gathers everything in which a file and the tensors it should fill disagree.
class TensorFiller {
 public:
  explicit TensorFiller(const std::filesystem::path& path) : path_(path), file_(path) {
    for (const std::string& name : file_.names()) unread_.insert(name);
  }

  void fill(const std::string& key, const at::Tensor& into) {
    unread_.erase(key);
    const auto tensor = file_.read(key, into.scalar_type());
    if (!tensor) {
      problems_.push_back(key + " is missing");
    } else if (tensor->sizes() != into.sizes()) {
      problems_.push_back(key + " has shape " + shape_text(tensor->sizes()) + ", the model needs " +
                          shape_text(into.sizes()));
    } else if (!std::isfinite(tensor->sum(at::kDouble).item<double>())) {
      problems_.push_back(key + " holds NaN or infinity");
    } else {
      into.detach().copy_(*tensor);
    }
  }

  bool holds(const std::string& key) const { return unread_.contains(key); }
  at::Tensor take(const std::string& key, at::ScalarType dtype) {
    unread_.erase(key);
    return *file_.read(key, dtype);
  }
  void problem(const std::string& text) { problems_.push_back(text); }

  // Throws FileError with all problems, tensors that nobody asked for included.
  void finish() {
    for (const std::string& name : unread_)
      problems_.push_back(name + " has no place in the model");
    if (problems_.empty()) return;
    constexpr std::size_t kShown = 8;
    const std::size_t count = problems_.size();
    if (count > kShown) {
      problems_.resize(kShown);
      problems_.push_back("and " + std::to_string(count - kShown) + " more");
    }
    throw FileError(path_.string(), join(problems_, "; "),
                    "Does the adapter belong to this base model, and its configuration to its "
                    "weights?");
  }

 private:
  std::filesystem::path path_;
  SafetensorsSource file_;
  std::set<std::string> unread_;
  std::vector<std::string> problems_;
};

Attached attach_empty(Model& model, const MethodConfig& method, const TargetOptions& targets,
                      std::uint64_t seed, bool initialise, const std::filesystem::path& source) {
  try {
    return attach(model, method, targets, {.seed = seed, .initialise = initialise, .progress = {}});
  } catch (const UsageError& error) {
    throw FileError(source.string(), error.what(), error.hint());
  }
}

// PEFT stores the frozen embedding and head beside an adapter that targets them, and the
// shared tensor under both names when the two stay tied.
void skip_stored_base(const Model& model, TensorFiller& filler, bool tied) {
  for (const std::string name : {"model.embed_tokens", "lm_head"}) {
    for (const std::string part : {".base_layer.weight", ".weight"}) {
      const std::string key = kPeftKeyPrefix + name + part;
      if (!filler.holds(key)) continue;
      const at::Tensor stored = filler.take(key, at::kFloat);
      const at::Tensor expected = tied ? model.net->embedding().detach().to(at::kFloat)
                                       : base_tensor(model, name + ".weight", at::kFloat);
      if (stored.sizes() == expected.sizes() && stored.equal(expected)) continue;
      filler.problem(key + " is not the base model's: a resized or separately trained embedding");
    }
  }
}

void add_branch_biases(const AdapterSet& adapters) {
  for (Linear* layer : adapted_layers(adapters)) {
    auto* adapter = dynamic_cast<LowRankAdapter*>(layer->adapter());
    if (adapter == nullptr) continue;
    adapter->set_branch_bias(at::zeros({layer->out_features()}, adapter->B().options()));
  }
}

MethodConfig method_of(const PeftLoraConfig& config, const std::vector<std::string>& modules) {
  const LowRankConfig low_rank = low_rank_config(config, modules);
  if (config.init == "pissa") return PissaConfig{.low_rank = low_rank};
  return LoraConfig{low_rank, config.init == "gaussian" ? LoraInit::kGaussian : LoraInit::kKaiming};
}

PeftLoraConfig read_peft_config(const std::filesystem::path& path,
                                std::vector<std::string>& warnings) {
  PeftLoraConfig config = parse_peft_config(read_json_file(path), path.string(), warnings);
  if (!config.trainable_tokens.is_null()) {
    throw FileError(path.string(), "trainable_token_indices is not supported",
                    "Merge the adapter with PEFT and load the merged model.");
  }
  return config;
}

}  // namespace

LoadedAdapter load_own_adapter(Model& model, const SideFile& side,
                               const std::filesystem::path& directory) {
  check_base(model, side, directory);
  NetSnapshot snapshot(*model.net);
  Attached attached = attach_empty(model, side.record.method, side.record.targets, side.record.seed,
                                   false, directory / kSideFile);
  const at::NoGradGuard no_grad;
  TensorFiller filler(directory / kStateFile);
  for (const NamedTensor& each : attached.adapters.frozen_state()) {
    filler.fill(each.name, each.tensor);
  }
  for (const Trainable& each : attached.adapters.trainables()) filler.fill(each.name, each.tensor);
  filler.finish();
  attached.adapters.refresh();
  snapshot.keep();
  return {std::move(attached.adapters), side.record, {}};
}

LoadedAdapter load_peft_adapter(Model& model, const std::optional<SideFile>& side,
                                const std::filesystem::path& directory) {
  const std::filesystem::path config_path = directory / kPeftConfigFile;
  LoadedAdapter loaded;
  const PeftLoraConfig config = read_peft_config(config_path, loaded.warnings);
  std::vector<std::string> modules;
  try {
    modules = select_targets(*model.net, config.targets).adapted;
  } catch (const UsageError& error) {
    throw FileError(config_path.string(), error.what(), error.hint());
  }
  const MethodConfig method = method_of(config, modules);
  const bool repeat_start = config.init == "pissa";
  if (repeat_start) {
    loaded.warnings.push_back(
        "init_lora_weights is \"pissa\": the principal part of the given base is taken out again, "
        "as PEFT does");
  }
  NetSnapshot snapshot(*model.net);
  Attached attached = attach_empty(model, method, config.targets, side ? side->record.seed : 0,
                                   repeat_start, config_path);
  const at::NoGradGuard no_grad;
  if (config.branch_bias) add_branch_biases(attached.adapters);
  TensorFiller filler(directory / kPeftWeightsFile);
  for (const Trainable& each : attached.adapters.trainables()) {
    filler.fill(kPeftKeyPrefix + peft_key(attached.adapters, each.name), each.tensor);
  }
  skip_stored_base(model, filler, config.targets.ensure_weight_tying && model.net->head_is_tied());
  filler.finish();
  attached.adapters.refresh();
  snapshot.keep();
  loaded.adapters = std::move(attached.adapters);
  loaded.record = side ? side->record : std::move(attached.record);
  return loaded;
}

}  // namespace svtune
