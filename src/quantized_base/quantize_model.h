// Writes a quantised base model and, for LoftQ and QPiSSA, the adapter that starts on it:
//
//   directory/base      the model in bitsandbytes' layout, all linear layers but the head
//   directory/adapter   the adapter for that base
//
// The two belong together: the quantised matrices hold what the low-rank part does not.
// Sources: QLoRA 2305.14314; LoftQ 2310.08659; PiSSA 2404.02948 section 4.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "adapters/methods.h"
#include "attach/target_modules.h"
#include "base/files.h"
#include "io/model.h"
#include "quant/low_rank_quant.h"

namespace svtune {

// How blocks of 4-bit codes are rounded, whatever stands beside them.
struct BlockTuning {
  std::int64_t block_size = 64;
  std::optional<ScaleChoice> scales = {};
  bool double_quant = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.block_size, {.name = "quant_block_size",
                            .help = "Values that share a scale: a power of two",
                            .unit = "weights",
                            .min = 32,
                            .max = 4096});
    visit(self.scales, {.name = "quant_scales",
                        .help = "Scale of a block of 4-bit codes (default: signed; search with "
                                "--double-quant; absmax gives bitsandbytes' bytes)"});
    visit(self.double_quant,
          {.name = "double_quant", .help = "Store the scales of 4-bit blocks in 8 bits"});
  }
};

// The rounds of LoftQ and QPiSSA.
struct RoundTuning {
  std::int64_t iters = 5;
  bool refit = true;
  bool best_round = true;
  bool extrapolate = true;
  bool spread_ranks = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.iters, {.name = "quant_iters",
                       .help = "Rounds of LoftQ and QPiSSA between rounding and decomposition",
                       .unit = "rounds",
                       .min = 1,
                       .max = 1000});
    visit(self.refit, {.name = "quant_refit",
                       .help = "Decompose what is left once more after the last rounding"});
    visit(self.best_round, {.name = "quant_best",
                            .help = "Keep the round of smallest error and stop when it grows"});
    visit(self.extrapolate, {.name = "quant_extrapolate",
                             .help = "Move each round on by the low-rank part's last change",
                             .when = only_with("quant_best")});
    visit(self.spread_ranks, {.name = "quant_spread_ranks",
                              .help = "Give each layer the rank that pays there, with as many "
                                      "parameters as --rank everywhere",
                              .when = not_with("rank_pattern")});
  }
};

struct QuantTuning : BlockTuning, RoundTuning {};

// The rounding of one matrix. Throws UsageError when the options contradict each other.
QuantConfig quant_config(QuantType type, const QuantTuning& tuning);

struct QuantizePlan {
  QuantType type = QuantType::kNf4;
  QuantStart start = QuantStart::kNone;
  QuantTuning tuning;
  LowRankConfig low_rank;  // of LoftQ and QPiSSA
  // The method that trains their low-rank part, given its final sizes.
  std::function<MethodConfig(const LowRankConfig&)> trained = low_rank_method;
  TargetOptions targets;  // their layers; all linear layers when nothing is named
  std::uint64_t seed = 0;
};

struct QuantizeOptions {
  IfExists if_exists = IfExists::kFail;
  bool measure = true;           // errors of what is written and of plain rounding
  bool measure_nuclear = false;  // their singular values as well, slow
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};  // layers
};

struct QuantizedLayer {
  std::string name;
  std::int64_t out_features = 0, in_features = 0;
  std::int64_t rank = 0;       // 0: quantised alone
  std::vector<double> rounds;  // ‖W - deq Q - s·B·A‖ (Frobenius) after each round
  // Errors of what is written, and of the same type rounded plainly (absmax scales).
  double frobenius = 0, plain_frobenius = 0;  // 0 unless measured
  double nuclear = 0, plain_nuclear = 0;      // 0 unless measured
  double bits_per_weight = 0;                 // of the codes and scales
};

struct QuantizeReport {
  std::vector<QuantizedLayer> layers;  // in the model's order
  double seconds = 0;                  // quantising and decomposing, without the measurements
  std::uint64_t bytes = 0;             // of the base written
  bool has_adapter = false;
};

// Modules that are left as they are beside the output, because they train whole whatever the method
// (attach/attach.h).
std::vector<std::string> dense_modules(const Model& model);
bool stays_dense(const Linear& layer, const std::vector<std::string>& modules);

// Throws UsageError for contradictory options or targets that match nothing, ModelError naming
// the layer for an impossible rank, a model that is quantised already, or weights that are not
// finite; FileError when writing fails. Nothing is left behind then.
QuantizeReport quantize_model(Model& model, const QuantizePlan& plan,
                              const std::filesystem::path& directory,
                              const QuantizeOptions& options = {});

}  // namespace svtune
