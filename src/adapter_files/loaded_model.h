// A model together with an adapter, for the uses that only read it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "adapter_files/adapter_file.h"
#include "io/model.h"

namespace svtune {

struct LoadedModel {
  Model model;
  std::optional<LoadedAdapter> adapter;
  std::vector<std::string> warnings;  // of both, and of the cache of decompositions

  // Of the adapter, else of the model; null when neither says.
  const TrainedPrompt* trained_prompt() const;
};

// `adapter` may be absent; else the model gets as many words as the adapter's has. An adapter that
// is rebuilt from decompositions (SVFT) takes them from the user's cache. Throws what load_model()
// and load_adapter() throw.
LoadedModel load_with_adapter(const std::filesystem::path& model,
                              const std::optional<std::filesystem::path>& adapter,
                              const LoadOptions& options);

}  // namespace svtune
