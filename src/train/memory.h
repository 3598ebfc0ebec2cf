// Memory of this process, and what a run will need before it starts.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "attach/calibrate.h"
#include "models/network.h"
#include "nn/adapter_set.h"

namespace svtune {

struct ProcessMemory {
  std::uint64_t resident = 0;  // bytes
  std::uint64_t peak = 0;      // bytes, largest resident size so far
};
// From /proc/self/status; zeros where the system has none.
ProcessMemory process_memory();

// Bytes this process may still take: the smaller of the system's available memory and what
// the control groups leave; UINT64_MAX when unknown.
std::uint64_t available_memory();

// What the control groups, version 1 or 2, that `membership` (the file /proc/self/cgroup) names
// below `mount` (/sys/fs/cgroup) leave, and those around them: limit minus use in bytes, page cache
// counted as free; UINT64_MAX without a limit.
std::uint64_t memory_of_groups(const std::filesystem::path& membership,
                               const std::filesystem::path& mount);

// What decides the need of a training run. Tokens are those of the largest micro-batch.
struct MemoryRequest {
  std::uint64_t program_bytes = 200'000'000;  // code, LibTorch, tokenizer, examples
  std::uint64_t weight_bytes = 0;             // of the base as loaded, mapped or copied
  std::uint64_t adapter_bytes = 0;            // frozen state and compute copies of the adapters
  std::uint64_t gradient_bytes = 0;           // largest dense gradient of a layer
  std::int64_t trainable_parameters = 0;
  // Elements that the adapted layers of a block keep: one for each block that backward goes
  // through, which are the last ones of the network.
  std::vector<double> kept_per_token;
  std::int64_t batch_tokens = 0;
  std::int64_t supervised_tokens = 0;  // 0 = all
  std::int64_t longest_document = 0;   // tokens; 0 = all
  bool trains_head = false;            // the output matrix itself trains
  RecomputePlan recompute;
  DropoutRates dropout = {};  // of the model itself

  std::int64_t blocks() const { return static_cast<std::int64_t>(kept_per_token.size()); }
};

struct MemoryItem {
  std::string name;
  std::uint64_t bytes = 0;
};

struct MemoryForecast {
  std::vector<MemoryItem> items;
  std::uint64_t total() const;
};

// Bytes of what turns tokens or images into rows, with a convolution of these, without an embedding
// that is the head as well.
std::uint64_t input_bytes(Network& net);

// "program 191 MiB, weights 513 MiB, ...".
std::string items_text(const MemoryForecast& forecast);

// What the adapters of a model add; `request` has the tokens already.
void add_adapters(MemoryRequest& request, Network& net, const AdapterSet& adapters);

// Peak resident size of training, item by item.
MemoryForecast predict_memory(Network& net, const MemoryRequest& request);

// The same of the pass over data before anything is attached; `request` has the tokens of its
// batches and says what is computed again. No layer has an adapter.
MemoryForecast predict_calibration(Network& net, const MemoryRequest& request,
                                   const CalibrationNeed& need);

enum class MemoryPhase { kTraining, kCalibration };

// Throws RunError with the items and a hint when the forecast exceeds what there is;
// `already_used` is the resident size that the forecast includes.
void check_memory(const MemoryForecast& forecast, std::uint64_t available,
                  std::uint64_t already_used, MemoryPhase phase = MemoryPhase::kTraining);

}  // namespace svtune
