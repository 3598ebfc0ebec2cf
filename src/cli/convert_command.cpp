#include "cli/convert_command.h"

#include "base/text_util.h"
#include "cli/core/progress.h"
#include "formats/gguf_convert.h"
#include "io/declared_tensors.h"

namespace svtune {
namespace {

DType file_dtype(FileDtype dtype) {
  switch (dtype) {
    case FileDtype::kFp32:
      return DType::kF32;
    case FileDtype::kFp16:
      return DType::kF16;
    default:
      return DType::kBF16;
  }
}

std::string_view name_of(DType dtype) {
  for (const EnumName<FileDtype>& each : kFileDtypeNames) {
    if (file_dtype(each.value) == dtype) return each.name;
  }
  return dtype_name(dtype);
}

}  // namespace

int run(const ConvertOptions& options, CommandContext& context) {
  Progress progress({.label = "convert", .unit = "MB"});
  GgufConvertOptions convert;
  if (options.dtype) convert.dtype = file_dtype(*options.dtype);
  convert.expected = [&](const Json& config) {
    return declared_tensors(config, options.input.string());
  };
  convert.progress = [&](std::uint64_t done, std::uint64_t total) {
    progress.update({.done = static_cast<std::int64_t>(done >> 20),
                     .total = static_cast<std::int64_t>(total >> 20)});
  };
  const GgufConvertReport report = convert_gguf(options.input, options.output, convert);
  progress.finish();
  context.out << "Wrote " << report.tensors << " tensors, " << format_count(report.parameters)
              << " parameters, " << format_bytes(report.bytes) << " of " << name_of(report.dtype)
              << " weights to " << options.output.string() << "\n";
  if (report.rounded > 0) {
    context.out << report.rounded << " of " << report.tensors
                << " tensors hold values between those of " << name_of(report.dtype)
                << ", which were rounded; --dtype fp32 keeps every value\n";
  }
  return 0;
}

}  // namespace svtune
