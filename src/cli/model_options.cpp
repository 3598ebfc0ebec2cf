#include "cli/model_options.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <iostream>

#include "linalg/torch_pch.h"
#include "nn/cpu_allocator.h"

namespace svtune {
namespace {

// Cores this process may run on.
std::int64_t allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

// Cores that the control group's quota pays for; a large number without a quota.
std::int64_t quota_cores() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 1 << 16;
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::stod(quota) / period + 0.5));
}

}  // namespace

std::optional<at::ScalarType> scalar_type(ComputeDtype dtype) {
  switch (dtype) {
    case ComputeDtype::kFp32:
      return at::kFloat;
    case ComputeDtype::kBf16:
      return at::kBFloat16;
    default:
      return std::nullopt;
  }
}

void prepare_torch(std::int64_t threads) {
  install_caching_allocator();
  at::set_num_threads(
      static_cast<int>(threads > 0 ? threads : std::min(allowed_cores(), quota_cores())));
}

LoadedModel load_for_command(const ModelOptions& options) {
  prepare_torch(options.threads);
  LoadOptions load;
  load.dtype = scalar_type(options.dtype);
  LoadedModel loaded{load_model(options.model, load), std::nullopt};
  if (options.adapter) loaded.adapter = load_adapter(loaded.model, *options.adapter);
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
