#include "cli/count_command.h"

#include "base/text_util.h"
#include "cli/shared_steps.h"
#include "cli/start_lines.h"
#include "libtorch/prelude.h"
#include "train/parameter_plan.h"

namespace svtune {
namespace {

std::filesystem::path config_path(const std::filesystem::path& model) {
  if (std::filesystem::is_directory(model)) return model / "config.json";
  if (model.extension() != ".gguf") return model;
  throw FileError(model.string(), "is no config.json",
                  "Of a .gguf file, svtune train --dry-run shows the same.");
}

}  // namespace

int run(const CountCommandOptions& options, CommandContext& context) {
  prepare_threads(0, context);
  const std::filesystem::path path = config_path(options.model);
  ParameterPlanOptions wanted;
  wanted.dtype = scalar_type(options.dtype);
  wanted.base_dtype = options.base_dtype;
  wanted.tuning = options.tuning;
  wanted.base_compute = options.base_compute;
  wanted.task = options.task;
  wanted.labels = options.labels;
  wanted.batch_tokens = options.batch_tokens;
  wanted.max_length = options.max_length;
  wanted.activations = options.activations;
  wanted.model_dropout = options.model_dropout;
  const ParameterPlan plan =
      plan_parameters(read_json_file(path), path.string(), options.method, options.targets, wanted);
  context.out << layers_text(plan.start) << "Arithmetic: " << plan.arithmetic << "\n"
              << "Micro-batch: " << options.batch_tokens << " tokens\n"
              << recompute_text(plan.recompute) << memory_text(plan.memory);
  return 0;
}

}  // namespace svtune
