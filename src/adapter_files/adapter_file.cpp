#include "adapter_files/adapter_file.h"

#include <utility>

#include "adapter_files/adapter_load.h"
#include "adapter_files/adapter_vocabulary.h"
#include "adapter_files/low_rank_export.h"
#include "adapter_files/peft_directory.h"
#include "adapter_files/side_file.h"
#include "base/errors.h"
#include "io/preprocessor_file.h"
#include "io/prompt_files.h"
#include "libtorch/prelude.h"
#include "merge/merge.h"

namespace svtune {
namespace {

void save_state(const AdapterSet& adapters, const std::filesystem::path& directory) {
  std::vector<NamedTensor> tensors = adapters.frozen_state();
  for (NamedTensor& each : adapters.changing_state()) tensors.push_back(std::move(each));
  for (const Trainable& each : adapters.trainables()) tensors.push_back({each.name, each.tensor});
  write_tensors(directory / kStateFile, tensors);
}

// Methods whose state PEFT's file cannot hold.
bool keeps_state_file(const std::optional<PeftForm>& form) { return !form || !form->complete; }

bool has_factors(const AdapterSet& adapters) {
  for (const Linear* layer : adapted_layers(adapters)) {
    if (!layer->adapter()->low_rank_delta()) return false;
  }
  return true;
}

}  // namespace

void save_adapter(const Model& model, const AdapterSet& adapters, const AdapterRecord& record,
                  const std::filesystem::path& directory, IfExists if_exists) {
  const at::NoGradGuard no_grad;
  AtomicDirectory output(directory, if_exists);
  const std::filesystem::path& staging = output.staging();
  if (const MethodTraits traits = method_traits(record.method); traits.trains_matrix) {
    write_merged(model, adapters, staging,
                 {.prompt = record.prompt, .rounding = {traits.rounding}});
    output.commit();
    return;
  }
  const std::optional<PeftForm> form = method_peft_form(record.method, adapted_layers(adapters));
  if (keeps_state_file(form)) save_state(adapters, staging);
  if (form) {
    write_peft_directory(
        staging, {model, adapters, record.targets, model.path.string(), model.layer_replication},
        *form, peft_tensors(adapters, *form));
  } else if (!method_traits(record.method).compact_files && has_factors(adapters)) {
    write_lora_export(model, adapters, record, staging, {});
  }
  write_side_file(model, adapters, record, staging);
  write_preprocessor(staging, model.preprocessor);
  if (record.prompt) write_prompt_files(staging, *record.prompt, model.path);
  output.commit();
}

namespace {

constexpr const char* kSavedTo = "Give the directory that an adapter was saved to.";

[[noreturn]] void refuse_empty(const std::filesystem::path& directory) {
  const std::filesystem::path inside = directory / "adapter";  // of a run
  throw FileError(
      directory.string(), "holds neither adapter_config.json nor svtune.json",
      std::filesystem::is_directory(inside) ? "Give " + inside.string() + "." : kSavedTo);
}

LoadedAdapter load_weights(Model& model, const std::optional<SideFile>& side,
                           const std::filesystem::path& directory, SvdCache* cache) {
  if (side && keeps_state_file(method_peft_form(side->record.method, {}))) {
    return load_own_adapter(model, *side, directory, cache);
  }
  if (!std::filesystem::exists(directory / kPeftConfigFile)) refuse_empty(directory);
  return load_peft_adapter(model, side, directory, cache);
}

}  // namespace

void require_adapter_directory(const std::filesystem::path& directory) {
  if (!std::filesystem::is_directory(directory)) {
    throw FileError(directory.string(),
                    std::filesystem::exists(directory) ? "is a file, need an adapter directory"
                                                       : "no such adapter directory",
                    kSavedTo);
  }
  const bool holds = std::filesystem::exists(directory / kPeftConfigFile) ||
                     std::filesystem::exists(directory / kSideFile);
  if (!holds) refuse_empty(directory);
}

LoadedAdapter load_adapter(Model& model, const std::filesystem::path& directory, SvdCache* cache) {
  require_adapter_directory(directory);
  const std::optional<SideFile> side = read_side_file(directory);
  LoadedAdapter loaded = load_weights(model, side, directory, cache);
  if (std::string other = side ? other_words_text(model, *side, directory) : ""; !other.empty()) {
    loaded.warnings.push_back(std::move(other));
  }
  loaded.record.prompt = read_trained_prompt(directory);
  return loaded;
}

bool is_adapter_directory(const std::filesystem::path& directory) {
  return !std::filesystem::exists(directory / "config.json") &&
         (std::filesystem::exists(directory / kPeftConfigFile) ||
          std::filesystem::exists(directory / kSideFile));
}

}  // namespace svtune
