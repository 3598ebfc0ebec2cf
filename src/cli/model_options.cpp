#include "cli/model_options.h"

#include <iostream>

#include "api/runtime.h"
#include "linalg/torch_pch.h"
#include "linalg/user_svd_cache.h"

namespace svtune {

LoadedModel load_for_command(const ModelOptions& options) {
  prepare_torch(options.threads);
  LoadOptions load;
  load.dtype = scalar_type(options.dtype);
  load.check_finite = true;
  LoadedModel loaded{load_model(options.model, load), std::nullopt};
  if (options.adapter) {
    const auto cache = open_user_svd_cache();
    loaded.adapter = load_adapter(loaded.model, *options.adapter, cache ? &cache->svd : nullptr);
    if (cache) {
      for (const std::string& text : cache_warnings(*cache)) {
        std::cerr << "warning: " << text << "\n";
      }
    }
  }
  for (const std::string& warning : loaded.model.warnings)
    std::cerr << "warning: " << warning << "\n";
  if (loaded.adapter) {
    for (const std::string& warning : loaded.adapter->warnings) {
      std::cerr << "warning: " << warning << "\n";
    }
  }
  return loaded;
}

}  // namespace svtune
