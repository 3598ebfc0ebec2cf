#include "adapter_files/adapter_load.h"

#include <algorithm>
#include <new>
#include <set>

#include "adapter_files/adapter_head.h"
#include "adapter_files/adapter_vocabulary.h"
#include "adapter_files/embedding_change.h"
#include "adapter_files/parameter_reading.h"
#include "adapter_files/peft_directory.h"
#include "adapter_files/running_names.h"
#include "adapter_files/tensor_filler.h"
#include "adapter_files/told_twice.h"
#include "attach/attach.h"
#include "base/errors.h"
#include "base/text_util.h"
#include "io/base_tensors.h"
#include "io/transposed_source.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// What attaching changes in a network, to be put back when the values do not fit.
class NetSnapshot {
 public:
  explicit NetSnapshot(Network& net) : net_(net) {
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
    net_.drop_rows();
  }
  NetSnapshot(const NetSnapshot&) = delete;
  NetSnapshot& operator=(const NetSnapshot&) = delete;

  void keep() { kept_ = true; }

 private:
  Network& net_;
  std::vector<std::pair<Linear*, BaseWeight>> bases_;
  std::vector<std::pair<at::Tensor*, at::Tensor>> parameters_;
  bool kept_ = false;
};

// What a configuration asks for and cannot be is the fault of its file.
template <class Work>
auto blaming(const std::filesystem::path& source, const Work& work) {
  try {
    return work();
  } catch (const UsageError& error) {
    throw file_error_of(source.string(), error);
  } catch (const std::bad_alloc&) {
    throw FileError(source.string(), "asks for factors that do not fit into memory",
                    "Is its rank that of the weights beside it?");
  }
}

// Whether a stored frozen tensor of the network is the base's; of a head, less the part that its
// adapter starts from and PEFT took out, as far as two decompositions agree.
bool is_base(const Model& model, const std::string& name, const at::Tensor& stored) {
  constexpr double kTolerance = 1e-4;  // of the norm
  const at::Tensor base = base_tensor(model, name, at::kFloat);
  if (stored.sizes() != base.sizes()) return false;
  const Linear& head = model.net->head();
  const bool adapted = name == head.name() + ".weight" && head.adapter() != nullptr;
  const auto start = adapted ? head.adapter()->start_in_base() : std::nullopt;
  if (!start) return stored.equal(base);
  const at::Tensor rest = at::addmm(base, start->up, start->down, 1, -start->scale);
  return (stored - rest).norm().item<double>() <= kTolerance * rest.norm().item<double>();
}

// PEFT stores the frozen embedding and head beside an adapter that targets them, and the
// shared tensor under both names when the two stay tied.
void skip_stored_base(const Model& model, TensorFiller& filler, bool tied) {
  const Linear& head = model.net->head();
  std::vector<std::string> names = {model.net->embedding().name() + ".weight",
                                    head.name() + ".weight"};
  if (head.bias().defined()) names.push_back(head.name() + ".bias");
  for (const std::string& name : names) {
    const std::size_t dot = name.rfind('.');
    for (const std::string part : {".base_layer", ""}) {
      const std::string key = kPeftKeyPrefix + name.substr(0, dot) + part + name.substr(dot);
      if (!filler.holds(key)) continue;
      const at::Tensor stored = filler.take(key, at::kFloat);
      const bool shared = tied && part.empty() && name.ends_with(".weight");
      const bool same = shared
                            ? stored.equal(model.net->embedding().weight().detach().to(at::kFloat))
                            : is_base(model, name, stored);
      if (same) continue;
      filler.problem(key + " is not the base model's: a resized or separately trained embedding");
    }
  }
}

StoredShape shapes_in(const std::filesystem::path& weights) {
  return [weights](const std::string& part) -> std::optional<std::vector<std::int64_t>> {
    if (!std::filesystem::exists(weights)) return std::nullopt;
    TensorFiller file(weights);
    for (const std::string& key : file.unread()) {
      if (key.ends_with("." + part)) return file.take(key, at::kFloat).sizes().vec();
    }
    return std::nullopt;
  };
}

// Without stored values the method has made its own, as PEFT does.
void fill_shared(const MethodState& state, bool stored, TensorFiller& filler) {
  for (const NamedTensor& each : state.shared()) {
    const std::string key = kPeftSharedPrefix + each.name;
    if (stored || filler.holds(key)) filler.fill(key, each.tensor);
  }
}

// What the file has keys of its own for; the names of those that train.
std::set<std::string> fill_by_key(const Model& model, const AdapterSet& adapters,
                                  const PeftReading<MethodConfig>& method, TensorFiller& filler) {
  std::set<std::string> filled;
  if (!method.key) return filled;
  if (method.counts_layers && model.spec().order_of_its_own) {
    filler.problem("the file counts layers in an order that transformers has for itself in " +
                   model.spec().family);
  }
  const std::vector<Linear*> layers = adapted_layers(adapters);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const PeftPlace place{layers[i]->name(), i, layers.size()};
    Adapter& adapter = *layers[i]->adapter();
    for (const Trainable& each : adapter.trainables()) {
      filler.fill(kPeftSharedPrefix + method.key(place, each.name), each.tensor);
      filled.insert(place.layer + "." + each.name);
    }
    if (!method.stores_frozen) continue;
    for (const NamedTensor& each : adapter.frozen_state()) {
      filler.fill(kPeftSharedPrefix + method.key(place, each.name), each.tensor);
    }
  }
  return filled;
}

void fill_from_peft(const Model& model, const AdapterSet& adapters, const PeftConfig& config,
                    const EmbeddingChange& embedding, TensorFiller& filler) {
  const at::NoGradGuard no_grad;
  if (config.method.add_parts) {
    for (Linear* layer : adapted_layers(adapters)) config.method.add_parts(*layer);
  }
  if (adapters.state) fill_shared(*adapters.state, config.method.stores_shared, filler);
  const std::set<std::string> filled = fill_by_key(model, adapters, config.method, filler);
  for (const Trainable& each : adapters.trainables()) {
    if (filled.contains(each.name)) continue;
    if (embedding.any() && each.name == model.net->embedding().name() + ".weight") {
      embedding.apply(filler, each.tensor);
    } else {
      filler.fill(kPeftKeyPrefix + peft_key(adapters, each.name),
                  turned(model.spec(), each.name, each.tensor));
    }
  }
  embedding.skip_copies_of_head(filler);
  const bool tied = config.targets.ensure_weight_tying && model.net->head_is_tied();
  skip_stored_base(model, filler, tied);
  skip_word_copies(model, filler);
  skip_module_copies(filler);
  skip_old_names(model.spec(), filler);
  skip_unused_tensors(model.spec(), filler);
  filler.finish();
  adapters.refresh();
}

}  // namespace

LoadedAdapter load_own_adapter(Model& model, const SideFile& side,
                               const std::filesystem::path& directory, SvdCache* cache) {
  check_base(model, side, directory);
  check_peft_copy(side, directory);
  NetSnapshot snapshot(*model.net);
  const AttachOptions options{.seed = side.record.seed,
                              .initialise = false,
                              .add_head = false,
                              .check = false,
                              .file_format = side.format,
                              .cache = cache};
  Attached attached = blaming(directory / kSideFile, [&] {
    return attach(model, side.record.method, side.record.targets, options);
  });
  const at::NoGradGuard no_grad;
  TensorFiller filler(directory / kStateFile);
  for (const NamedTensor& each : attached.adapters.frozen_state()) {
    filler.fill(each.name, each.tensor);
  }
  for (const NamedTensor& each : attached.adapters.changing_state()) {
    filler.fill(each.name, each.tensor);
  }
  for (const Trainable& each : attached.adapters.trainables()) filler.fill(each.name, each.tensor);
  filler.finish();
  require_made_head(model, attached.adapters, directory / kStateFile);
  require_added_words(model, attached.adapters, directory / kStateFile);
  attached.adapters.refresh();
  snapshot.keep();
  return {std::move(attached.adapters), side.record, {}};
}

namespace {

// Names of the file's tensors below PEFT's prefix.
std::vector<std::string> tensors_of_modules(const std::filesystem::path& weights) {
  std::vector<std::string> names;
  if (!std::filesystem::exists(weights)) return names;
  constexpr std::string_view kPrefix = kPeftKeyPrefix;
  for (const std::string& name : SafetensorsSource(weights).names()) {
    if (name.starts_with(kPrefix)) names.push_back(name.substr(kPrefix.size()));
  }
  return names;
}

LoadedAdapter load_from_peft(Model& model, const std::optional<SideFile>& side,
                             const std::filesystem::path& directory, SvdCache* cache) {
  const std::filesystem::path config_path = directory / kPeftConfigFile;
  const std::filesystem::path weights = peft_weights_file(directory);
  if (side && side->record.needs_its_base) check_base(model, *side, directory);
  LoadedAdapter loaded;
  Json json = read_json_file(config_path);
  std::optional<ParameterReading> parameters = read_parameters(*model.net, json, directory, side);
  if (parameters) {
    json = std::move(parameters->config);
  } else if (has_running_names(model.spec(), weights)) {
    json = stored_config(*model.net, std::move(json), config_path.string());
  } else {
    json = without_experts(*model.net, std::move(json), config_path.string(),
                           tensors_of_modules(weights));
  }
  PeftConfig config =
      parse_peft_config(json, config_path.string(), loaded.warnings, shapes_in(weights));
  if (config.method.layer_replication != model.layer_replication) {
    throw FileError(config_path.string(),
                    "layer_replication repeats layers of the model, which this one was not loaded "
                    "with",
                    "Load the model together with this adapter alone.");
  }
  drop_absent_classifiers(*model.net, config.targets);
  add_stored_words(model, weights, config);
  const WordModules words{model.net->embedding().name(), model.net->head().name(),
                          model.net->head_is_tied()};
  TargetSelection selection = select_targets(*model.net, config.targets);
  // PEFT adapts a head that is to stay tied through the embedding.
  if (selection.embedding && words.tied && config.targets.ensure_weight_tying) {
    std::erase(selection.adapted, words.head);
  }
  const EmbeddingChange embedding(config, words, selection, config_path.string());
  const bool repeat_start = !config.method.repeated_start.empty();
  if (repeat_start && words.tied && std::ranges::count(selection.adapted, words.head) > 0) {
    throw FileError(config_path.string(),
                    "the start of " + words.head + " is taken out of the base, by PEFT also of " +
                        words.embedding + ": the two are one tensor",
                    "Merge the adapter with PEFT and load the merged model.");
  }
  if (repeat_start) loaded.warnings.push_back(config.method.repeated_start);
  NetSnapshot snapshot(*model.net);
  const TargetOptions targets =
      embedding.any() ? embedding.targets(selection.adapted) : embedding.with_rows(config.targets);
  const AttachOptions options{.seed = side ? side->record.seed : 0,
                              .initialise = repeat_start,
                              .add_head = false,
                              .check = false,
                              .cache = cache};
  // Of an embedding alone nothing is left but the whole tensor.
  const MethodConfig method =
      selection.adapted.empty() ? whole_matrix_method() : config.method.config(selection.adapted);
  Attached attached = attach(model, method, targets, options);
  TensorFiller filler(weights, names_in_memory(model.spec()));
  if (parameters) parameters->supply(filler);
  fill_from_peft(model, attached.adapters, config, embedding, filler);
  require_made_head(model, attached.adapters, weights);
  require_added_words(model, attached.adapters, weights);
  snapshot.keep();
  loaded.record = side ? side->record : attached.record;
  const auto contradicted =
      side ? contradicted_keys(side->record, attached) : std::vector<std::string>{};
  if (!contradicted.empty()) {
    loaded.warnings.push_back(config_path.string() + " and " + kSideFile +
                              " beside it disagree on " + join(contradicted, ", ") +
                              ": the former is followed");
    loaded.record = attached.record;
  }
  loaded.adapters = std::move(attached.adapters);
  return loaded;
}

}  // namespace

LoadedAdapter load_peft_adapter(Model& model, const std::optional<SideFile>& side,
                                const std::filesystem::path& directory, SvdCache* cache) {
  return blaming(directory / kPeftConfigFile,
                 [&] { return load_from_peft(model, side, directory, cache); });
}

}  // namespace svtune
