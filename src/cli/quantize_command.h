// svtune quantize: a quantised base model and, for LoftQ and QPiSSA, the adapter that starts on
// it.
#pragma once

#include "cli/core/command.h"
#include "cli/shared_steps.h"
#include "quantized_base/quantize_model.h"

namespace svtune {

enum class QuantizeMethod { kNf4, kFp4, kInt8, kLoftq, kQpissa };
inline constexpr EnumName<QuantizeMethod> kQuantizeMethodNames[] = {
    {QuantizeMethod::kNf4, "nf4", "4-bit normal floats alone, the base of QLoRA"},
    {QuantizeMethod::kFp4, "fp4", "4-bit floats alone"},
    {QuantizeMethod::kInt8, "int8", "8-bit rows alone"},
    {QuantizeMethod::kLoftq, "loftq", "an adapter repairs what rounding takes away"},
    {QuantizeMethod::kQpissa, "qpissa", "the principal part is an adapter, the rest is rounded"},
};
constexpr std::span<const EnumName<QuantizeMethod>> enum_names(QuantizeMethod) {
  return kQuantizeMethodNames;
}

enum class ErrorTable { kNone, kFrobenius, kNuclear };
inline constexpr EnumName<ErrorTable> kErrorTableNames[] = {
    {ErrorTable::kNone, "none", "no measurement"},
    {ErrorTable::kFrobenius, "frobenius", "root of the summed squares"},
    {ErrorTable::kNuclear, "nuclear", "that and the sum of the singular values, slow"},
};
constexpr std::span<const EnumName<ErrorTable>> enum_names(ErrorTable) { return kErrorTableNames; }

struct QuantizeCommandOptions {
  static constexpr CommandInfo kCommand{
      .name = "quantize",
      .summary = "Write a 4-bit or 8-bit base model and the adapter that starts on it",
      .description =
          "Writes OUTPUT/base in the layout of bitsandbytes (all linear layers but the head) and, "
          "for loftq and qpissa, OUTPUT/adapter, a LoRA for exactly that base. Both are read by "
          "svtune and by transformers with PEFT. Then prints by how much the error of the weights "
          "is below that of plain rounding, per kind of layer.\n\n"
          "A base of loftq or qpissa is of use with its adapter only: the rounded residual is "
          "not the rounded model.",
      .examples =
          "svtune quantize --model model/ --method qpissa --rank 16 --output quantized/\n"
          "svtune train --model quantized/base --adapter quantized/adapter --data train.jsonl "
          "--output runs/qpissa\n"
          "svtune quantize --model model/ --method nf4 --quant-scales absmax --output nf4/"};
  static constexpr FieldCondition kLowRankMethods = only_with("method", "loftq|qpissa");

  std::filesystem::path model, output;
  QuantizeMethod method = QuantizeMethod::kQpissa;
  std::optional<QuantType> base_dtype;
  LowRankConfig low_rank;
  QuantTuning tuning;
  TargetOptions targets;
  std::int64_t seed = 0;
  std::int64_t threads = 0;
  ErrorTable errors = ErrorTable::kNuclear;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.model, kModelField);
    visit(self.output, kOutputDirectoryField);
    visit(self.method, {.name = "method", .help = "What is written"});
    visit(self.base_dtype,
          {.name = "base_dtype", .help = "Codes (default: nf4)", .when = kLowRankMethods});
    visit.group("Low-rank part", self.low_rank, kLowRankMethods);
    visit.group("Quantisation", static_cast<BlockTuning&>(self.tuning),
                only_with("method", "nf4|fp4|loftq|qpissa") &&
                    (not_with("base_dtype") || only_with("base_dtype", "nf4|fp4")));
    visit.group("Quantisation", static_cast<RoundTuning&>(self.tuning), kLowRankMethods);
    visit.group("Targets of the low-rank part", self.targets, kLowRankMethods);
    visit(
        self.seed,
        {.name = "seed", .help = "Seed of the decompositions", .min = 0, .when = kLowRankMethods});
    visit(self.threads, kThreadsField);
    visit(self.errors, {.name = "errors", .help = "Norms of the error table"});
  }
};

int run(const QuantizeCommandOptions& options, CommandContext& context);

}  // namespace svtune
