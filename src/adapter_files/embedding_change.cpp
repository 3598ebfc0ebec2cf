#include "adapter_files/embedding_change.h"

#include <algorithm>

#include "adapter_files/peft_directory.h"
#include "base/errors.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// Whether the object has the embedding's rows, and beside them no others than the head's.
bool names_embedding(const Json& object, const WordModules& words) {
  bool embedding = false;
  for (const auto& [module, ids] : object.items()) {
    const bool is_embedding = module == last_part(words.embedding) || module == words.embedding;
    if (!is_embedding && (module != words.head || ids != object.begin().value())) return false;
    embedding = embedding || is_embedding;
  }
  return embedding;
}

std::vector<std::int64_t> token_ids(const Json& json, const WordModules& words,
                                    const std::string& source) {
  if (json.is_null()) return {};
  const Json* list = &json;
  if (json.is_object()) {
    if (!names_embedding(json, words)) {
      throw FileError(source,
                      "trainable_token_indices may name " + last_part(words.embedding) +
                          ", and with it the same rows of " + words.head,
                      "Merge the adapter with PEFT and load the merged model.");
    }
    list = &json.begin().value();
  }
  const auto is_id = [](const Json& id) { return id.is_number_integer() && id >= 0; };
  if (!list->is_array() || !std::all_of(list->begin(), list->end(), is_id)) {
    throw FileError(source, "trainable_token_indices must be a list of token ids");
  }
  return list->get<std::vector<std::int64_t>>();
}

bool changes_words(const PeftConfig& config, const WordModules& words,
                   const TargetSelection& selection) {
  const auto is_word_module = [&](const std::string& name) {
    return words.embedding.ends_with(name) || words.head.ends_with(name);
  };
  return std::ranges::any_of(config.targets.modules_to_save, is_word_module) ||
         std::ranges::count(selection.adapted, words.head) > 0;
}

}  // namespace

EmbeddingChange::EmbeddingChange(const PeftConfig& config, const WordModules& words,
                                 const TargetSelection& selection, const std::string& source)
    : config_(config),
      module_(words.embedding),
      head_(words.head),
      adapted_(selection.embedding),
      keeps_tie_(adapted_ && words.tied && config.targets.ensure_weight_tying),
      beside_whole_(changes_words(config, words, selection)),
      token_rows_(token_ids(config.method.trainable_tokens, words, source)) {
  const Json& tokens = config.method.trainable_tokens;
  head_rows_ = tokens.is_object() && tokens.contains(words.head);
  if (head_rows_ && any()) {
    throw FileError(source,
                    "trainable_token_indices of " + words.head +
                        " beside another change of the embedding or the head",
                    "Merge the adapter with PEFT and load the merged model.");
  }
  if (adapted_ && !config.method.embedding) {
    throw FileError(source, "an adapter of this kind on " + module_ + " is not supported",
                    "Merge the adapter with PEFT and load the merged model.");
  }
  if (keeps_tie_) require_one_change(source);
}

// PEFT looks both up in alpha_pattern and rank_pattern, and gives each lengths of its own.
void EmbeddingChange::require_one_change(const std::string& source) const {
  const PeftEmbedding own = config_.method.embedding(module_);
  const bool one_scaling = own.scaling == config_.method.embedding(head_).scaling;
  if (one_scaling && own.lengths.empty()) return;
  const std::string what = one_scaling ? "use_dora gives " + head_ + " other lengths"
                                       : "the patterns give " + head_ + " another scaling";
  throw FileError(source, "ensure_weight_tying, but " + what + " than " + module_,
                  "Merge the adapter with PEFT and load the merged model.");
}

TargetOptions EmbeddingChange::with_rows(TargetOptions targets) const {
  targets.trainable_token_indices = token_rows_;
  targets.trainable_token_head = head_rows_;
  return targets;
}

std::string EmbeddingChange::key_of(const std::string& module, const std::string& suffix) const {
  return std::string(kPeftKeyPrefix).append(module).append(".").append(suffix);
}

TargetOptions EmbeddingChange::targets(const std::vector<std::string>& layers) const {
  TargetOptions targets;
  targets.modules_to_save = config_.targets.modules_to_save;
  targets.bias = config_.targets.bias;
  // PEFT replaces the rows in a tied head as well, but adapts the embedding alone unless told.
  targets.ensure_weight_tying = !adapted_ || keeps_tie_;
  targets.target_modules = layers;
  if (layers.empty()) {
    targets.target_modules = {module_};
  } else {
    targets.modules_to_save.push_back(module_);
  }
  return targets;
}

void EmbeddingChange::apply(TensorFiller& filler, const at::Tensor& leaf) const {
  // Of a resized model the file holds the embedding that is changed.
  for (const char* stored : {"weight", "base_layer.weight", "token_adapter.base_layer.weight"}) {
    if (filler.holds(key_of(module_, stored))) filler.fill(key_of(module_, stored), leaf);
  }
  if (adapted_) add_low_rank(filler, leaf);
  if (!token_rows_.empty()) replace_rows(filler, leaf);
}

void EmbeddingChange::skip_copies_of_head(TensorFiller& filler) const {
  if (!keeps_tie_) return;
  const PeftEmbedding change = config_.method.embedding(module_);
  const auto skip = [&](const std::string& own, const std::string& embedding, bool turned) {
    const std::string key = key_of(head_, own), of = key_of(module_, embedding);
    if (!filler.holds(key) || !filler.has(of)) return;
    const at::Tensor copy = filler.take(key, at::kFloat), first = filler.take(of, at::kFloat);
    const bool matrices = copy.dim() == 2 && first.dim() == 2;
    if (matrices && copy.equal(turned ? first.t() : first)) return;
    filler.problem(key + " is not that of " + of + ", as ensure_weight_tying has it");
  };
  skip(change.head_down, change.up, true);
  skip(change.head_up, change.down, true);
  skip("base_layer.weight", "base_layer.weight", false);
}

void EmbeddingChange::add_low_rank(TensorFiller& filler, const at::Tensor& leaf) const {
  const PeftEmbedding change = config_.method.embedding(module_);
  const at::Tensor down = at::zeros({change.rank, leaf.size(0)}, leaf.options());
  const at::Tensor up = at::zeros({leaf.size(1), change.rank}, leaf.options());
  filler.fill(key_of(module_, change.down), down);
  filler.fill(key_of(module_, change.up), up);
  leaf.detach().addmm_(down.t(), up.t(), 1, change.scaling);
  if (change.lengths.empty()) return;
  const at::Tensor lengths = at::ones({leaf.size(1)}, leaf.options());
  filler.fill(key_of(module_, change.lengths), lengths);
  leaf.detach().mul_(lengths / at::linalg_vector_norm(leaf.detach(), 2, at::IntArrayRef{0}));
}

void EmbeddingChange::replace_rows(TensorFiller& filler, const at::Tensor& leaf) const {
  const auto count = static_cast<std::int64_t>(token_rows_.size());
  if (*std::ranges::max_element(token_rows_) >= leaf.size(0)) {
    filler.problem("trainable_token_indices exceed the vocabulary of " +
                   std::to_string(leaf.size(0)) + " tokens");
    return;
  }
  const at::Tensor rows = at::zeros({count, leaf.size(1)}, leaf.options());
  filler.fill(key_of(module_, "token_adapter.trainable_tokens_delta"), rows);
  leaf.detach().index_copy_(0, at::tensor(token_rows_, at::TensorOptions().dtype(at::kLong)), rows);
}

}  // namespace svtune
