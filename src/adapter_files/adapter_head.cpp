#include "adapter_files/adapter_head.h"

#include <algorithm>
#include <set>

#include "adapter_files/head_form.h"
#include "adapter_files/peft_directory.h"
#include "adapter_files/side_file.h"
#include "base/errors.h"
#include "base/files.h"
#include "libtorch/prelude.h"
#include "models/families.h"

namespace svtune {
namespace {

namespace fs = std::filesystem;

constexpr HeadTask kLabelTasks[] = {HeadTask::kDocument, HeadTask::kToken};
constexpr const char* kPeftClassifiers[] = {"classifier", "score"};

std::optional<HeadTask> task_of(const Json& text) {
  for (const HeadTask task : kLabelTasks) {
    if (text == Json(peft_task(task))) return task;
  }
  return std::nullopt;
}

// PEFT has no task for images and writes none.
bool reads_images(const fs::path& model) {
  const fs::path config = model / "config.json";
  if (!fs::exists(config)) return false;
  const Family* family = family_of(read_json_file(config));
  return family != nullptr && family->reads_images;
}

std::optional<NewHead> told_by_side_file(const fs::path& adapter) {
  if (!fs::exists(adapter / kSideFile)) return std::nullopt;
  const Json json = read_json_file(adapter / kSideFile);
  const auto found = json.is_object() ? json.find("head") : json.end();
  if (found == json.end() || !found->is_object()) return std::nullopt;
  if (found->value("task", Json()) == Json(kMaskedTask)) return NewHead{HeadTask::kMasked};
  const std::optional<HeadTask> task = task_of(found->value("task", Json()));
  const Json labels = found->value("labels", Json());
  if (!task || !labels.is_array() || labels.empty()) return std::nullopt;
  NewHead head{*task, static_cast<std::int64_t>(labels.size())};
  for (const Json& name : labels) {
    if (name.is_string()) head.names.push_back(name.get<std::string>());
  }
  if (head.names.size() != labels.size()) return std::nullopt;
  return head;
}

std::optional<NewHead> told_by_peft(const fs::path& model, const fs::path& adapter) {
  const fs::path config = adapter / kPeftConfigFile, weights = peft_weights_file(adapter);
  if (!fs::exists(config) || !fs::exists(weights)) return std::nullopt;
  const Json json = read_json_file(config);
  auto task = task_of(json.is_object() ? json.value("task_type", Json()) : Json());
  if (!task && reads_images(model)) task = HeadTask::kDocument;
  if (!task) return std::nullopt;
  NewHead head{*task};
  TensorFiller file(weights);
  const std::string key = kPeftKeyPrefix + stored_words(model, head).head + ".weight";
  if (!file.has(key)) return std::nullopt;
  const at::Tensor output = file.take(key, at::kFloat);
  if (output.dim() != 2 || output.size(0) < 1) return std::nullopt;
  head.labels = output.size(0);
  return head;
}

}  // namespace

std::optional<NewHead> adapter_head(const fs::path& model, const fs::path& adapter) {
  try {
    if (const auto told = told_by_side_file(adapter)) return told;
    return told_by_peft(model, adapter);
  } catch (const FileError&) {
    return std::nullopt;
  }
}

bool leaves_task_open(const fs::path& adapter) {
  const fs::path file = adapter / kPeftConfigFile;
  if (!fs::exists(file)) return false;
  const Json config = read_json_file(file);
  if (!config.is_object() || !config.value("task_type", Json()).is_null()) return false;
  const Json modules = config.value("modules_to_save", Json());
  if (!modules.is_array()) return false;
  for (const Json& name : modules) {
    for (const char* classifier : kPeftClassifiers) {
      if (name == Json(classifier)) return true;
    }
  }
  return false;
}

void drop_absent_classifiers(Network& net, TargetOptions& targets) {
  if (net.predicts_words()) return;
  const std::vector<std::string> modules = net.module_names();
  std::erase_if(targets.modules_to_save, [&](const std::string& name) {
    const auto is_name = [&](const char* each) { return name == each; };
    return std::ranges::any_of(kPeftClassifiers, is_name) &&
           std::ranges::none_of(modules, [&](const auto& each) { return each.ends_with(name); });
  });
}

void skip_module_copies(TensorFiller& file) {
  constexpr std::string_view kFrozen = ".original_module.", kCopy = ".modules_to_save.";
  for (const std::string& key : file.unread()) {
    if (key.find(kFrozen) != std::string::npos) {
      file.skip(key);
      continue;
    }
    const std::size_t place = key.find(kCopy);
    if (place == std::string::npos) continue;
    const std::string module = key.substr(0, place + 1);
    const std::string inside = key.substr(place + kCopy.size());
    // The adapter's name may stand in between.
    for (const std::string& rest : {inside, inside.substr(inside.find('.') + 1)}) {
      if (!file.holds(key) || !file.has(module + rest)) continue;
      if (file.take(key, at::kFloat).equal(file.take(module + rest, at::kFloat))) continue;
      file.problem(key + " is not the same as " + module + rest);
    }
  }
}

void skip_old_names(const ArchSpec& spec, TensorFiller& file) {
  for (const std::string& key : file.unread()) {
    for (const OldName& old : spec.old_names) {
      if (!key.ends_with("." + old.before)) continue;
      const std::string now = key.substr(0, key.size() - old.before.size()) + old.now;
      const std::size_t dot = now.rfind('.');
      const std::string adapted = now.substr(0, dot) + ".base_layer" + now.substr(dot);
      const std::string& other = file.has(now) ? now : adapted;
      if (!file.has(other)) continue;
      if (!file.take(key, at::kFloat).equal(file.take(other, at::kFloat))) {
        file.problem(key + " is not the same as " + other);
      }
      break;
    }
  }
}

void skip_unused_tensors(const ArchSpec& spec, TensorFiller& file) {
  for (const std::string& key : file.unread()) {
    const auto ends = [&](const std::string& end) { return key.ends_with(end); };
    const auto is_second_name = [&](const OldName& old) { return key.ends_with(old.before); };
    const bool unused = std::ranges::any_of(spec.buffers, ends);
    if (unused && std::ranges::none_of(spec.old_names, is_second_name)) file.skip(key);
  }
}

void require_made_head(const Model& model, const AdapterSet& adapters, const fs::path& weights) {
  std::set<std::string> trained;
  for (const ExtraTrainable& extra : adapters.extras) trained.insert(extra.name);
  for (const Linear* layer : adapters.layers) {
    if (layer->adapter()->plain_weight().defined()) trained.insert(layer->name() + ".weight");
  }
  for (const std::string& name : model.made) {
    if (trained.contains(name)) continue;
    throw FileError(weights.string(),
                    "holds no " + name + ", which " + model.path.string() + " does not hold either",
                    "Whoever trained the adapter left it random and did not save it; with PEFT, "
                    "modules_to_save keeps it.");
  }
}

}  // namespace svtune
