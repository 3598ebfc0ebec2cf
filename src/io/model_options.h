// Which model, which adapter, which arithmetic, how many threads: options that commands share.
#pragma once

#include <c10/core/ScalarType.h>

#include <filesystem>
#include <optional>
#include <span>

#include "base/fields.h"

namespace svtune {

enum class ComputeDtype { kAuto, kFp32, kBf16 };
inline constexpr EnumName<ComputeDtype> kComputeDtypeNames[] = {
    {ComputeDtype::kAuto, "auto",
     "of weights in bf16 the faster one here, measured once; of others fp32"},
    {ComputeDtype::kFp32, "fp32"},
    {ComputeDtype::kBf16, "bf16"},
};
constexpr std::span<const EnumName<ComputeDtype>> enum_names(ComputeDtype) {
  return kComputeDtypeNames;
}

// nullopt for kAuto.
std::optional<at::ScalarType> scalar_type(ComputeDtype dtype);

inline constexpr FieldSpec kModelField{.name = "model",
                                       .help = "Hugging Face model directory or .gguf file",
                                       .value_name = "PATH",
                                       .required = true};
inline constexpr FieldSpec kThreadsField{
    .name = "threads",
    .help =
        "Threads for computing; 0 = OMP_NUM_THREADS where it is set, else one per core that "
        "affinity and control group leave",
    .unit = "threads",
    .min = 0,
    .max = 4096};

struct ModelOptions {
  std::filesystem::path model;
  std::optional<std::filesystem::path> adapter;
  ComputeDtype dtype = ComputeDtype::kAuto;
  std::int64_t threads = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.model, kModelField);
    visit(self.adapter, {.name = "adapter",
                         .help = Self::kAdapterHelp,
                         .value_name = "DIR",
                         .path = PathHint::kDirectory});
    visit(self.dtype, {.name = "dtype", .help = "Arithmetic of the model"});
    visit(self.threads, kThreadsField);
  }
  static constexpr const char* kAdapterHelp = "Adapter directory, svtune's or PEFT's";
};

}  // namespace svtune
