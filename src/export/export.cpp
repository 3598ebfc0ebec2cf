#include "export/export.h"

#include "adapter_files/low_rank_export.h"
#include "adapter_files/peft_directory.h"
#include "adapter_files/side_file.h"
#include "base/errors.h"
#include "io/preprocessor_file.h"
#include "io/prompt_files.h"
#include "libtorch/prelude.h"
#include "merge/model_writer.h"

namespace svtune {
namespace {

at::Tensor residual_weight(const LowRankDelta& initial, const at::Tensor& base) {
  return at::addmm(base, initial.up.to(base.scalar_type()), initial.down.to(base.scalar_type()), 1,
                   -initial.scale);
}

}  // namespace

LoraExportReport export_lora(const Model& model, const AdapterSet& adapters,
                             const AdapterRecord& record, const std::filesystem::path& directory,
                             const LoraExportOptions& options) {
  AtomicDirectory output(directory, options.if_exists);
  const std::filesystem::path& staging = output.staging();
  if (record.needs_its_base) {
    // The rounded residual and the adapter make the model together only.
    std::filesystem::copy(model.path, staging / "base", std::filesystem::copy_options::recursive);
    std::filesystem::create_directory(staging / "adapter");
  }
  const std::filesystem::path target = record.needs_its_base ? staging / "adapter" : staging;
  LoraExportReport report = write_lora_export(model, adapters, record, target, options);
  if (record.needs_its_base) {
    write_side_file(model, adapters, record, target);
  } else {
    write_head_alone(model, target);
  }
  write_preprocessor(target, model.preprocessor);
  if (record.prompt) {
    if (record.needs_its_base) write_prompt_files(staging / "base", *record.prompt, model.path);
    write_prompt_files(target, *record.prompt, model.path);
  }
  output.commit();
  return report;
}

MergeReport export_residual(const Model& model, const AdapterSet& adapters,
                            const AdapterRecord& record, const std::filesystem::path& directory,
                            const MergeOptions& options) {
  const at::NoGradGuard no_grad;
  require_adapters(adapters, "residual form");
  const std::optional<PeftForm> form =
      method_residual_form(record.method, adapted_layers(adapters));
  if (!form) {
    throw UsageError(method_name(record.method) +
                         " has no residual base: it does not start from a part of the weights",
                     "Export a LoRA or merge instead.");
  }
  AtomicDirectory output(directory, options.if_exists);
  std::filesystem::create_directory(output.staging() / "base");
  std::filesystem::create_directory(output.staging() / "adapter");
  MergeOptions base_options = options;
  if (!base_options.prompt) base_options.prompt = record.prompt;
  WeightChanges changes;
  for (const Linear* layer : adapted_layers(adapters)) {
    changes[layer->name() + ".weight"] =
        [start = layer->adapter()->start_in_base().value()](const at::Tensor& W) {
          return residual_weight(start, W);
        };
  }
  MergeReport report = write_model(model, changes, output.staging() / "base", base_options);
  write_peft_directory(output.staging() / "adapter",
                       {model, adapters, record.targets, (directory / "base").string()}, *form,
                       peft_tensors(adapters, *form));
  if (record.prompt) write_prompt_files(output.staging() / "adapter", *record.prompt, model.path);
  output.commit();
  return report;
}

}  // namespace svtune
