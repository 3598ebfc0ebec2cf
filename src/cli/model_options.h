// Options and steps that several commands share: which model, which adapter, how many threads.
#pragma once

#include <filesystem>
#include <optional>
#include <span>

#include "base/fields.h"
#include "io/model.h"
#include "peft/adapter_file.h"

namespace svtune {

enum class ComputeDtype { kAuto, kFp32, kBf16 };
inline constexpr EnumName<ComputeDtype> kComputeDtypeNames[] = {
    {ComputeDtype::kAuto, "auto", "the checkpoint's where the processor is fast at it"},
    {ComputeDtype::kFp32, "fp32"},
    {ComputeDtype::kBf16, "bf16"},
};
constexpr std::span<const EnumName<ComputeDtype>> enum_names(ComputeDtype) {
  return kComputeDtypeNames;
}

std::optional<at::ScalarType> scalar_type(ComputeDtype dtype);

struct ModelOptions {
  std::filesystem::path model;
  std::optional<std::filesystem::path> adapter;
  ComputeDtype dtype = ComputeDtype::kAuto;
  std::int64_t threads = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.model, {.name = "model",
                       .help = "Hugging Face model directory or .gguf file",
                       .value_name = "PATH",
                       .required = true});
    visit(self.adapter, {.name = "adapter",
                         .help = "Adapter directory, svtune's or PEFT's",
                         .value_name = "DIR",
                         .path = PathHint::kDirectory});
    visit(self.dtype, {.name = "dtype", .help = "Arithmetic of the model"});
    visit(self.threads, {.name = "threads",
                         .help = "Threads for computing; 0 = one per available core",
                         .unit = "threads",
                         .min = 0,
                         .max = 4096});
  }
};

// What is taken from and written to by the commands that turn an adapter into something else.
struct AdapterConversion {
  std::filesystem::path model, adapter, output;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.model, {.name = "model",
                       .help = "Hugging Face model directory or .gguf file",
                       .value_name = "PATH",
                       .required = true});
    visit(self.adapter, {.name = "adapter",
                         .help = "Adapter directory",
                         .value_name = "DIR",
                         .required = true,
                         .path = PathHint::kDirectory});
    visit(self.output, {.name = "output",
                        .help = "Directory to create",
                        .value_name = "DIR",
                        .required = true,
                        .path = PathHint::kDirectory});
  }

  ModelOptions input() const {
    ModelOptions options;
    options.model = model;
    options.adapter = adapter;
    return options;
  }
};

// A model with its adapter attached, if one was asked for.
struct LoadedModel {
  Model model;
  std::optional<LoadedAdapter> adapter;
};

// Sets the thread count, loads, prints the loader's warnings to standard error.
LoadedModel load_for_command(const ModelOptions& options);

}  // namespace svtune
