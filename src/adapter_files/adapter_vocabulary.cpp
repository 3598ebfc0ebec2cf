#include "adapter_files/adapter_vocabulary.h"

#include <algorithm>
#include <set>

#include "adapter_files/peft_directory.h"
#include "adapter_files/side_file.h"
#include "adapter_files/tensor_filler.h"
#include "base/errors.h"
#include "io/base_tensors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFrozenBelowRows = ".token_adapter.base_layer.weight";
constexpr const char* kRows = ".token_adapter.trainable_tokens_delta";

std::string key_of(const std::string& module, const char* part) {
  return std::string(kPeftKeyPrefix) + module + part;
}

// Of trainable_token_indices, which may be a list for each of several modules.
std::vector<std::int64_t> ids_of(const Json& tokens) {
  const Json list = tokens.is_object() && !tokens.empty() ? tokens.begin().value() : tokens;
  std::vector<std::int64_t> ids;
  if (!list.is_array()) return ids;
  for (const Json& id : list) {
    if (id.is_number_integer()) ids.push_back(id.get<std::int64_t>());
  }
  return ids;
}

std::optional<std::int64_t> rows_of(const std::string& embedding, const fs::path& weights) {
  if (!fs::exists(weights)) return std::nullopt;
  TensorFiller file(weights);
  for (const char* part : {".weight", ".base_layer.weight", kFrozenBelowRows}) {
    const std::string key = key_of(embedding, part);
    if (!file.has(key)) continue;
    // What is no matrix of words is the loader's to report.
    const at::Tensor stored = file.take(key, at::kFloat);
    if (stored.dim() == 2 && stored.size(0) > 0) return stored.size(0);
  }
  return std::nullopt;
}

// Ids from `stored` on without a gap name every added word.
std::optional<std::int64_t> end_of_rows(const Json& config, std::int64_t stored) {
  if (!config.is_object()) return std::nullopt;
  std::set<std::int64_t> added;
  for (const std::int64_t id : ids_of(config.value("trainable_token_indices", Json()))) {
    if (id >= stored) added.insert(id);
  }
  if (added.empty()) return std::nullopt;
  const std::int64_t end = *added.rbegin() + 1;
  return static_cast<std::int64_t>(added.size()) == end - stored ? std::optional(end)
                                                                 : std::nullopt;
}

std::optional<std::int64_t> rows_of_side_file(const fs::path& adapter) {
  if (!fs::exists(adapter / kSideFile)) return std::nullopt;
  return side_file_words(read_json_file(adapter / kSideFile));
}

// Whether the adapter's files are large enough to hold something for each of so many words.
bool may_hold(const fs::path& adapter, std::int64_t words) {
  std::uint64_t bytes = 0;
  for (const fs::path& file : {peft_weights_file(adapter), adapter / kStateFile}) {
    if (fs::exists(file)) bytes += fs::file_size(file);
  }
  return words <= static_cast<std::int64_t>(bytes);
}

bool is_saved(const PeftConfig& config, const std::string& module) {
  return std::ranges::any_of(config.targets.modules_to_save,
                             [&](const std::string& end) { return module.ends_with(end); });
}

bool is_among(const ExtraTrainable& extra, const std::string& module, std::int64_t id) {
  if (extra.rows.empty()) return extra.name == module + ".weight";
  return extra.matrix == module + ".weight" && std::ranges::count(extra.rows, id) > 0;
}

bool trains_word(const Model& model, const AdapterSet& adapters, const std::string& module,
                 std::int64_t id) {
  const auto trained = [&](const ExtraTrainable& extra) { return is_among(extra, module, id); };
  const auto whole = [&](const Linear* layer) {
    return layer == &model.net->head() && module == layer->name() &&
           layer->adapter()->plain_weight().defined();
  };
  return std::ranges::any_of(adapters.extras, trained) ||
         std::ranges::any_of(adapters.layers, whole);
}

// But for the rows with these ids.
bool equal_beside(const at::Tensor& a, const at::Tensor& b, std::vector<std::int64_t> ids) {
  if (a.sizes() != b.sizes()) return false;
  std::erase_if(ids, [&](std::int64_t id) { return id < 0 || id >= a.size(0); });
  const at::Tensor rows = at::tensor(ids, at::TensorOptions().dtype(at::kLong));
  return a.index_fill(0, rows, 0).equal(b.index_fill(0, rows, 0));
}

// `copy` is a second name of a tensor that has been read.
void skip_copy(TensorFiller& file, const std::string& copy, const std::string& of) {
  if (!file.holds(copy) || !file.has(of)) return;
  if (file.take(copy, at::kFloat).equal(file.take(of, at::kFloat))) return;
  file.problem(copy + " is not the same as " + of);
}

}  // namespace

std::optional<std::int64_t> adapter_vocab_size(const fs::path& adapter,
                                               const DeclaredWords& stored) {
  try {
    // Fewer words than the base has belong to another base, unless the file holds them.
    const auto told = rows_of_side_file(adapter);
    if (told && *told >= stored.count && may_hold(adapter, *told - stored.count)) return told;
    if (const auto rows = rows_of(stored.embedding, peft_weights_file(adapter))) return rows;
    if (!fs::exists(adapter / kPeftConfigFile)) return std::nullopt;
    return end_of_rows(read_json_file(adapter / kPeftConfigFile), stored.count);
  } catch (const FileError&) {
    return std::nullopt;
  }
}

void add_stored_words(const Model& model, const fs::path& weights, PeftConfig& config) {
  if (!fs::exists(weights)) return;
  TensorFiller file(weights);
  const auto other_than_base = [&](const std::string& module) -> std::optional<at::Tensor> {
    const bool below_rows = file.has(key_of(module, kFrozenBelowRows));
    const std::string key = key_of(module, below_rows ? kFrozenBelowRows : ".weight");
    if (is_saved(config, module) || !file.has(key)) return std::nullopt;
    const at::Tensor own = file.take(key, at::kFloat);
    const at::Tensor base = base_tensor(model, module + ".weight", at::kFloat);
    const auto rows =
        below_rows ? ids_of(config.method.trainable_tokens) : std::vector<std::int64_t>{};
    return equal_beside(own, base, rows) ? std::nullopt : std::optional(own);
  };
  const std::string embedding_name = model.net->embedding().name();
  const std::string head_name = model.net->head().name();
  const std::optional<at::Tensor> embedding = other_than_base(embedding_name);
  const std::optional<at::Tensor> head =
      model.net->predicts_words() ? other_than_base(head_name) : std::nullopt;
  std::vector<std::string>& saved = config.targets.modules_to_save;
  if (embedding) saved.push_back(embedding_name);
  const bool one = embedding && model.net->head_is_tied() && (!head || head->equal(*embedding));
  if (one) {
    config.targets.ensure_weight_tying = true;
  } else if (head) {
    saved.push_back(head_name);
  }
}

void skip_word_copies(const Model& model, TensorFiller& file) {
  const std::string embedding = model.net->embedding().name(), head = model.net->head().name();
  for (const std::string& module : {embedding, head}) {
    for (const char* frozen : {".original_module.weight", kFrozenBelowRows}) {
      if (file.holds(key_of(module, frozen))) file.take(key_of(module, frozen), at::kFloat);
    }
    skip_copy(file, key_of(module, ".modules_to_save.weight"), key_of(module, ".weight"));
  }
  skip_copy(file, key_of(head, kRows), key_of(embedding, kRows));
}

void require_added_words(const Model& model, const AdapterSet& adapters, const fs::path& weights) {
  if (model.added_words == 0) return;
  const std::int64_t vocab = model.spec().vocab_size;
  std::vector<std::string> modules{model.net->embedding().name()};
  const Network& net = *model.net;
  if (net.predicts_words() && !net.head_is_tied()) modules.push_back(net.head().name());
  for (std::int64_t id = vocab - model.added_words; id < vocab; ++id) {
    for (const std::string& module : modules) {
      if (trains_word(model, adapters, module, id)) continue;
      throw FileError(weights.string(),
                      "its model has " + std::to_string(vocab) + " words, the base " +
                          std::to_string(vocab - model.added_words) + ", and the file holds no " +
                          module + " for word " + std::to_string(id),
                      "Give the model that it was trained on, or save the adapter with its "
                      "embedding layers (save_embedding_layers=True).");
    }
  }
}

std::string other_words_text(const Model& model, const SideFile& side, const fs::path& adapter) {
  const std::int64_t words = model.spec().vocab_size;
  if (!side.vocab_size || *side.vocab_size == words) return "";
  return adapter.string() + " was trained on a model of " + std::to_string(*side.vocab_size) +
         " words, this one has " + std::to_string(words);
}

}  // namespace svtune
