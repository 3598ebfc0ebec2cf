#include "adapter_files/embedding_change.h"

#include <algorithm>

#include "adapter_files/peft_directory.h"
#include "base/errors.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

std::vector<std::int64_t> token_ids(const Json& json, const std::string& module,
                                    const std::string& source) {
  if (json.is_null()) return {};
  const Json* list = &json;
  if (json.is_object()) {
    if (json.size() != 1 ||
        (json.begin().key() != last_part(module) && json.begin().key() != module)) {
      throw FileError(source, "trainable_token_indices may name " + last_part(module) + " only",
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

}  // namespace

EmbeddingChange::EmbeddingChange(const PeftConfig& config, const std::string& module, bool adapted,
                                 const std::string& source)
    : config_(config),
      module_(module),
      adapted_(adapted),
      token_rows_(token_ids(config.method.trainable_tokens, module, source)) {
  if (adapted && !config.method.embedding) {
    throw FileError(source, "an adapter of this kind on " + module + " is not supported",
                    "Merge the adapter with PEFT and load the merged model.");
  }
}

std::string EmbeddingChange::key_of(const std::string& suffix) const {
  return std::string(kPeftKeyPrefix).append(module_).append(".").append(suffix);
}

TargetOptions EmbeddingChange::targets(const std::vector<std::string>& layers) const {
  TargetOptions targets;
  targets.modules_to_save = config_.targets.modules_to_save;
  targets.bias = config_.targets.bias;
  // PEFT replaces the rows in a tied head as well, but adapts the embedding alone.
  targets.ensure_weight_tying = !adapted_;
  targets.target_modules = layers;
  if (layers.empty()) {
    targets.target_modules = {module_};
  } else {
    targets.modules_to_save.push_back(module_);
  }
  return targets;
}

void EmbeddingChange::apply(TensorFiller& filler, const at::Tensor& leaf) const {
  if (adapted_) add_low_rank(filler, leaf);
  if (!token_rows_.empty()) replace_rows(filler, leaf);
}

void EmbeddingChange::add_low_rank(TensorFiller& filler, const at::Tensor& leaf) const {
  const PeftEmbedding change = config_.method.embedding(module_);
  const at::Tensor down = at::zeros({change.rank, leaf.size(0)}, leaf.options());
  const at::Tensor up = at::zeros({leaf.size(1), change.rank}, leaf.options());
  filler.fill(key_of(change.down), down);
  filler.fill(key_of(change.up), up);
  leaf.detach().addmm_(down.t(), up.t(), 1, change.scaling);
}

void EmbeddingChange::replace_rows(TensorFiller& filler, const at::Tensor& leaf) const {
  const auto count = static_cast<std::int64_t>(token_rows_.size());
  if (*std::ranges::max_element(token_rows_) >= leaf.size(0)) {
    filler.problem("trainable_token_indices exceed the vocabulary of " +
                   std::to_string(leaf.size(0)) + " tokens");
    return;
  }
  const at::Tensor rows = at::zeros({count, leaf.size(1)}, leaf.options());
  filler.fill(key_of("token_adapter.trainable_tokens_delta"), rows);
  leaf.detach().index_copy_(0, at::tensor(token_rows_, at::TensorOptions().dtype(at::kLong)), rows);
}

}  // namespace svtune
