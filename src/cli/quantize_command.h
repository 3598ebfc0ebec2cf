// svtune quantize: a quantised base model and, for LoftQ and QPiSSA, the adapter that starts on
// it.
#pragma once

#include "cli/core/command.h"
#include "cli/shared_steps.h"
#include "quantized_base/quantize_model.h"

namespace svtune {

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
          "but for --start none, OUTPUT/adapter, a LoRA for exactly that base. Both are read by "
          "svtune and by transformers with PEFT. Then prints by how much the error of the weights "
          "is below that of plain rounding, per kind of layer.\n\n"
          "A base of loftq or qpissa is of use with its adapter only: the rounded residual is "
          "not the rounded model. svtune train --base-dtype does the same for one run: as qpissa "
          "with --method pissa, as loftq with --init loftq, else as none.",
      .examples =
          "svtune quantize --model model/ --base-dtype nf4 --start qpissa --rank 16 --output "
          "quantized/\n"
          "svtune train --model quantized/base --adapter quantized/adapter --data train.jsonl "
          "--output runs/qpissa\n"
          "svtune quantize --model model/ --base-dtype nf4 --start none --quant-scales absmax "
          "--output nf4/"};
  static constexpr FieldCondition kWithAdapter = only_with("start", "loftq|qpissa");

  std::filesystem::path model, output;
  QuantType base_dtype = QuantType::kNf4;
  QuantStart start = QuantStart::kQpissa;
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
    visit(self.base_dtype,
          {.name = "base_dtype", .help = "Codes of the frozen matrices", .former = "method"});
    visit(self.start, {.name = "start", .help = "What is written beside them", .former = "method"});
    visit.group("Low-rank part", self.low_rank, kWithAdapter);
    visit.group("Quantisation", static_cast<BlockTuning&>(self.tuning),
                only_with("base_dtype", "nf4|fp4"));
    visit.group("Quantisation", static_cast<RoundTuning&>(self.tuning), kWithAdapter);
    visit.group("Targets of the low-rank part", self.targets, kWithAdapter);
    visit(self.seed,
          {.name = "seed", .help = "Seed of the decompositions", .min = 0, .when = kWithAdapter});
    visit(self.threads, kThreadsField);
    visit(self.errors, {.name = "errors", .help = "Norms of the error table"});
  }
};

int run(const QuantizeCommandOptions& options, CommandContext& context);

}  // namespace svtune
