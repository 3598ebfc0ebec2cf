#include "adapter_files/loaded_model.h"

#include <algorithm>
#include <map>
#include <utility>

#include "adapter_files/adapter_head.h"
#include "adapter_files/adapter_vocabulary.h"
#include "adapter_files/peft_directory.h"
#include "adapter_files/replicated_layers.h"
#include "base/errors.h"
#include "base/text_util.h"
#include "io/preprocessor_file.h"
#include "libtorch/prelude.h"
#include "linalg/user_svd_cache.h"
#include "nn/routed_adapter.h"
#include "nn/row_route.h"

namespace svtune {
namespace {

void append(std::vector<std::string>& list, const std::vector<std::string>& more) {
  list.insert(list.end(), more.begin(), more.end());
}

// With as many words as the adapter's model has, where there is one.
Model load_base(const std::filesystem::path& model,
                const std::optional<std::filesystem::path>& adapter, LoadOptions options) {
  try {
    if (adapter && !options.vocab_size) {
      options.vocab_size = adapter_vocab_size(*adapter, stored_words(model, options.head));
    }
    return load_model(model, options);
  } catch (FileError& error) {
    if (adapter && !options.head && leaves_task_open(*adapter)) {
      error.add_to_hint("task_type in " + (*adapter / kPeftConfigFile).string() +
                        " is null: SEQ_CLS there says that its head labels texts, TOKEN_CLS "
                        "tokens.");
    }
    throw;
  }
}

}  // namespace

const TrainedPrompt* LoadedModel::trained_prompt() const {
  if (adapter && adapter->record.prompt) return &*adapter->record.prompt;
  return model.prompt ? &*model.prompt : nullptr;
}

LoadedModel load_with_adapter(const std::filesystem::path& model,
                              const std::optional<std::filesystem::path>& adapter,
                              const LoadOptions& options) {
  require_model_path(model);
  if (adapter) require_adapter_directory(*adapter);
  LoadOptions own = options;
  if (adapter && !own.head) own.head = adapter_head(model, *adapter);
  if (adapter && own.layer_replication.empty()) {
    own.layer_replication = adapter_layer_ranges(*adapter);
  }
  LoadedModel loaded{load_base(model, adapter, own), std::nullopt, {}};
  append(loaded.warnings, loaded.model.warnings);
  if (!adapter) return loaded;
  const auto cache = open_user_svd_cache();
  loaded.adapter = load_adapter(loaded.model, *adapter, cache ? &cache->svd : nullptr);
  append(loaded.warnings, loaded.adapter->warnings);
  if (loaded.model.spec().image) {
    if (Json own = read_preprocessor(*adapter); !own.is_null()) loaded.model.preprocessor = own;
  }
  if (cache) append(loaded.warnings, cache_warnings(*cache));
  return loaded;
}

namespace {

[[noreturn]] void refuse(const NamedPath& adapter, const std::string& what) {
  throw FileError(adapter.path.string(), what + ", which one batch cannot have of several adapters",
                  "Use it alone, or merge it into a model.");
}

void require_layers_only(const NamedPath& adapter, const LoadedAdapter& loaded) {
  for (const ExtraTrainable& extra : loaded.adapters.extras) {
    refuse(adapter, "trains " + extra.name + " beside the layers");
  }
  for (const Linear* layer : loaded.adapters.layers) {
    if (layer->adapter()->plain_weight().defined()) {
      refuse(adapter, "trains " + layer->name() + " as a whole");
    }
  }
}

std::string prompt_text(const LoadedAdapter& adapter) {
  const std::optional<TrainedPrompt>& prompt = adapter.record.prompt;
  return prompt ? dump_json(prompt_to_json(*prompt)) : "";
}

}  // namespace

std::string other_prompts_text(const NamedPath& name, const LoadedAdapter& adapter,
                               const NamedPath& first_name, const LoadedAdapter& first) {
  if (prompt_text(adapter) == prompt_text(first)) return "";
  return name.name + " was trained with other prompts than " + first_name.name +
         ", whose template is used for all";
}

std::int32_t LoadedModel::adapter_called(const std::string& name, const std::string& place) const {
  const auto found = std::ranges::find(adapter_names, name);
  if (found != adapter_names.end()) {
    return static_cast<std::int32_t>(found - adapter_names.begin());
  }
  const std::string nearest = nearest_name(name, adapter_names);
  throw FileError(place,
                  "\"adapter\" is " + name + ", allowed are " + join(adapter_names, ", ") +
                      (model.net->is_language_model() ? " and null for the model alone" : ""),
                  nearest.empty() ? "" : "Did you mean \"" + nearest + "\"?");
}

std::int32_t LoadedModel::adapter_of(const Json& row, const std::string& place,
                                     std::int32_t otherwise) const {
  const auto field = row.find(kAdapterField);
  if (field == row.end()) return otherwise;
  if (field->is_null()) return kNoAdapter;
  if (field->is_string()) return adapter_called(field->get<std::string>(), place);
  throw FileError(place, "\"adapter\" is " + dump_json(*field) + ", need one of the names " +
                             join(adapter_names, ", "));
}

std::vector<const Model*> LoadedModel::models() const {
  std::vector<const Model*> list = {&model};
  for (const LoadedModel& each : apart) list.push_back(&each.model);
  return list;
}

namespace {

LoadedModel load_apart(const std::filesystem::path& model, const std::vector<NamedPath>& adapters,
                       const LoadOptions& options) {
  LoadedModel loaded;
  std::vector<std::string> warnings;
  for (const NamedPath& adapter : adapters) {
    LoadedModel one = load_with_adapter(model, adapter.path, options);
    for (const std::string& warning : one.warnings) {
      warnings.push_back(adapter.name + ": " + warning);
    }
    if (loaded.model.net) {
      loaded.apart.push_back(std::move(one));
    } else {
      loaded = std::move(one);
    }
  }
  loaded.warnings = std::move(warnings);
  loaded.adapter_names = names_of(adapters);
  return loaded;
}

}  // namespace

void require_no_own_head(const std::filesystem::path& model,
                         const std::vector<NamedPath>& adapters) {
  for (const NamedPath& each : adapters) {
    const std::optional<NewHead> head = adapter_head(model, each.path);
    if (!head || head->task == HeadTask::kMasked) continue;
    throw FileError(each.path.string(),
                    "brings a head of labels, which several adapters cannot share",
                    "Use it alone, or merge it alone into a model.");
  }
}

LoadedModel load_with_adapters(const std::filesystem::path& model,
                               const std::vector<NamedPath>& adapters, const LoadOptions& options) {
  require_model_path(model);
  for (const NamedPath& each : adapters) require_adapter_directory(each.path);
  LoadOptions own = options;
  if (!own.head && !adapters.empty()) own.head = adapter_head(model, adapters.front().path);
  const DeclaredWords words = stored_words(model, own.head);
  if (words.task != HeadTask::kNextToken) return load_apart(model, adapters, options);
  LoadedModel loaded{load_model(model, own), std::nullopt, {}};
  for (const NamedPath& each : adapters) {
    const auto count = adapter_vocab_size(each.path, words);
    if (count && *count != words.count) refuse(each, "resizes the embedding");
    if (!adapter_layer_ranges(each.path).empty()) refuse(each, "repeats layers of the model");
  }
  append(loaded.warnings, loaded.model.warnings);
  const auto cache = open_user_svd_cache();
  std::map<Linear*, std::vector<std::unique_ptr<Adapter>>> lists;
  for (std::size_t k = 0; k < adapters.size(); ++k) {
    LoadedAdapter one = load_adapter(loaded.model, adapters[k].path, cache ? &cache->svd : nullptr);
    for (const std::string& warning : one.warnings) {
      loaded.warnings.push_back(adapters[k].name + ": " + warning);
    }
    require_layers_only(adapters[k], one);
    for (Linear* layer : std::exchange(one.adapters.layers, {})) {
      lists[layer].resize(adapters.size());
      lists[layer][k] = layer->detach();
    }
    loaded.adapter_names.push_back(adapters[k].name);
    if (k == 0) {
      loaded.adapter = std::move(one);
      continue;
    }
    const std::string prompts = other_prompts_text(adapters[k], one, adapters[0], *loaded.adapter);
    if (!prompts.empty()) loaded.warnings.push_back(prompts);
    loaded.others.push_back(std::move(one));
  }
  for (auto& [layer, list] : lists) {
    layer->attach(std::make_unique<RoutedAdapter>(std::move(list)));
  }
  if (cache) append(loaded.warnings, cache_warnings(*cache));
  return loaded;
}

}  // namespace svtune
