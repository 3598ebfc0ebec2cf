// A model together with an adapter, for the uses that only read it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "adapter_files/adapter_file.h"
#include "adapter_files/named_path.h"
#include "io/model.h"

namespace svtune {

struct LoadedModel {
  Model model;
  std::optional<LoadedAdapter> adapter;
  std::vector<std::string> warnings;  // of both, and of the cache of decompositions
  // Of load_with_adapters(): the names, in the order of their indices in Batch::adapters, and what
  // the adapters beside the first hold together.
  std::vector<std::string> adapter_names = {};
  std::vector<LoadedAdapter> others = {};
  // Instead of `others`, where adapters have heads: those beside the first, each on a model of its
  // own.
  std::vector<LoadedModel> apart = {};

  // The index of the adapter that is called `name`. Throws FileError naming `place` when none is.
  // Only of load_with_adapters().
  std::int32_t adapter_called(const std::string& name, const std::string& place) const;
  // Of the one that a row of data names in its field "adapter": without the field `otherwise`, for
  // null kNoAdapter, which has no place among `apart`. Throws as adapter_called() does.
  std::int32_t adapter_of(const Json& row, const std::string& place,
                          std::int32_t otherwise = 0) const;
  // Whether rows name their adapters.
  bool routed() const { return !adapter_names.empty(); }

  // `model` and those of `apart`, in the order of the adapters.
  std::vector<const Model*> models() const;

  // Of the adapter, else of the model; null when neither says.
  const TrainedPrompt* trained_prompt() const;
};

// `adapter` may be absent; else the model gets as many words as the adapter's has. An adapter that
// is rebuilt from decompositions (SVFT) takes them from the user's cache. Throws what load_model()
// and load_adapter() throw.
LoadedModel load_with_adapter(const std::filesystem::path& model,
                              const std::optional<std::filesystem::path>& adapter,
                              const LoadOptions& options);

// A warning where training wrote prompts for one adapter otherwise than for the first of several;
// else "".
std::string other_prompts_text(const NamedPath& name, const LoadedAdapter& adapter,
                               const NamedPath& first_name, const LoadedAdapter& first);

// Throws FileError naming the first adapter with a head of labels, of which a model has one.
void require_no_own_head(const std::filesystem::path& model,
                         const std::vector<NamedPath>& adapters);

// Several adapters, of any methods, on one model: every layer that one of them changes carries a
// RoutedAdapter, and `adapter` is the first, for its record. They may not train whole tensors,
// biases or rows of the embedding, which documents of a batch share (FileError). Those with a head
// of labels or of hidden words may: each is loaded with a model of its own, which shares what is
// mapped of the weights.
LoadedModel load_with_adapters(const std::filesystem::path& model,
                               const std::vector<NamedPath>& adapters, const LoadOptions& options);

inline constexpr char kAdapterField[] = "adapter";  // of a row of data

}  // namespace svtune
