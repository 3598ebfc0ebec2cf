#include "cli/merge_command.h"

#include "base/text_util.h"
#include "cli/core/progress.h"
#include "libtorch/prelude.h"
#include "merge/merge.h"

namespace svtune {
namespace {

at::ScalarType torch_dtype(FileDtype dtype) {
  switch (dtype) {
    case FileDtype::kFp32:
      return at::kFloat;
    case FileDtype::kFp16:
      return at::kHalf;
    default:
      return at::kBFloat16;
  }
}

}  // namespace

int run(const MergeCommandOptions& options, CommandContext& context) {
  const ConversionInput input = load_conversion(options.paths, context);
  const LoadedModel& loaded = input.loaded;
  Progress progress({.label = "merge", .unit = "tensor"});
  MergeOptions merge;
  if (options.output_dtype) merge.dtype = torch_dtype(*options.output_dtype);
  merge.prompt = loaded.adapter->record.prompt;
  merge.rounding = options.rounding;
  merge.progress = [&](std::int64_t done, std::int64_t total) {
    progress.update({.done = done, .total = total});
  };
  const MergeReport report =
      merge_to_directory(loaded.model, loaded.adapter->adapters, options.paths.output, merge);
  progress.finish();
  context.out << "Wrote " << format_bytes(report.bytes) << " of " << dtype_text(report.dtype)
              << " weights to " << options.paths.output.string() << "\n"
              << "Largest change " << report.largest << " in " << report.largest_name << ", "
              << report.changes.size() << " weights changed\n";
  if (const std::string text = rounding_summary(report); !text.empty()) {
    context.out << text << "\n";
  }
  return 0;
}

}  // namespace svtune
