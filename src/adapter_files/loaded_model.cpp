#include "adapter_files/loaded_model.h"

#include "adapter_files/adapter_head.h"
#include "adapter_files/adapter_vocabulary.h"
#include "libtorch/prelude.h"
#include "linalg/user_svd_cache.h"

namespace svtune {
namespace {

void append(std::vector<std::string>& list, const std::vector<std::string>& more) {
  list.insert(list.end(), more.begin(), more.end());
}

}  // namespace

const TrainedPrompt* LoadedModel::trained_prompt() const {
  if (adapter && adapter->record.prompt) return &*adapter->record.prompt;
  return model.prompt ? &*model.prompt : nullptr;
}

LoadedModel load_with_adapter(const std::filesystem::path& model,
                              const std::optional<std::filesystem::path>& adapter,
                              const LoadOptions& options) {
  LoadOptions own = options;
  if (adapter && !own.head) own.head = adapter_head(model, *adapter);
  if (adapter && !own.vocab_size) {
    own.vocab_size = adapter_vocab_size(*adapter, stored_words(model, own.head));
  }
  LoadedModel loaded{load_model(model, own), std::nullopt, {}};
  append(loaded.warnings, loaded.model.warnings);
  if (!adapter) return loaded;
  const auto cache = open_user_svd_cache();
  loaded.adapter = load_adapter(loaded.model, *adapter, cache ? &cache->svd : nullptr);
  append(loaded.warnings, loaded.adapter->warnings);
  if (cache) append(loaded.warnings, cache_warnings(*cache));
  return loaded;
}

}  // namespace svtune
