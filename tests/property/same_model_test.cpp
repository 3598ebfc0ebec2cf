// What was trained is what stands everywhere: the running model, the adapter as saved, the merged
// model and every export have one loss, over small random models, methods and options.
//   SVTUNE_PROPERTY_RUNS   configurations to draw (default 60)
//   SVTUNE_PROPERTY_SEED   of the first one (default 1); a failure names its own
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "adapter_files/adapter_file.h"
#include "adapter_files/peft_directory.h"
#include "adapters/low_rank/low_rank_adapter.h"
#include "attach/attach.h"
#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "export/export.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"
#include "merge/merge.h"
#include "quantized_base/quantize_model.h"
#include "train/optimizer.h"

namespace svtune {
namespace same_model_test {

// Losses are sums of 16 terms of about 4 in fp32; the sums of layers run in another order.
constexpr double kTolerance = 2e-4;
// A dense update cut to this share of itself.
constexpr double kCut = 1e-6;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  bool one_in(std::uint64_t n) { return random_.bounded(n) == 0; }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_.bounded(high - low + 1));
  }
  template <class Value>
  Value of(const std::vector<Value>& values) {
    return values[random_.bounded(values.size())];
  }
  // Each of the values with a chance of one in n.
  std::vector<std::string> some(const std::vector<std::string>& values, std::uint64_t n) {
    std::vector<std::string> chosen;
    for (const std::string& each : values) {
      if (one_in(n)) chosen.push_back(each);
    }
    return chosen;
  }

 private:
  Xoshiro256 random_;
};

const std::vector<std::string> kModules = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                           "gate_proj", "up_proj", "down_proj"};

LowRankConfig draw_low_rank(Dice& dice, bool dropout) {
  LowRankConfig config;
  config.rank = dice.between(1, 6);
  if (dice.one_in(2)) config.alpha = dice.of<double>({0.5, 3, 8, 24});
  config.rslora = dice.one_in(3);
  if (dropout && dice.one_in(3)) config.dropout = 0.2;
  if (dice.one_in(3)) config.rank_pattern["q_proj"] = dice.between(1, 9);
  if (dice.one_in(4)) config.rank_pattern["layers.1.mlp.down_proj"] = dice.between(1, 9);
  if (dice.one_in(3)) config.alpha_pattern["up_proj"] = dice.of<double>({1, 5});
  return config;
}

// Of methods whose sizes are all there is to choose; blocks of 8 divide the inputs of all layers.
MethodConfig draw_rival(Dice& dice) {
  const std::int64_t rank = dice.between(2, 6);
  const LowRankConfig low_rank = draw_low_rank(dice, false);
  const std::vector<MethodConfig> rivals = {
      DoraConfig{low_rank},
      DoraConfig{low_rank, DoraInit::kPissa},
      MiloraConfig{low_rank},
      KasaConfig{low_rank},
      DeltaLoraConfig{low_rank},
      AdaloraConfig{.rank = rank, .target_rank = 1},
      AdaloraConfig{.rank = rank, .init = AdaloraInit::kPissa},
      SorsaConfig{.rank = rank},
      VeraConfig{.rank = 4 * rank, .d_initial = 0.5, .save_projection = dice.one_in(2)},
      OftConfig{.block_size = 8, .block_share = dice.one_in(2)},
      OftConfig{.block_size = 8, .rotation = OftRotation::kCayley},
      BoftConfig{.block_size = 8},
      FloraConfig{.rank = dice.between(1, 3)},
      LoraXsConfig{.rank = rank},
      SvfConfig{},
      SvfitConfig{.rank = rank},
      PicaConfig{.rank = rank, .share_kinds = dice.one_in(2)},
      PicaConfig{.rank = rank, .frozen_side = PicaSide::kOutputs},
      MicaConfig{.rank = rank},
      PsoftConfig{.rank = rank, .scales = dice.one_in(2)},
      TinyloraConfig{.rank = rank, .numbers = 9},
      TinyloraConfig{.rank = rank, .numbers = 9, .tie = TinyloraTie::kAll}};
  return dice.of(rivals);
}

MethodConfig draw_method(Dice& dice) {
  switch (dice.between(0, 13)) {
    case 0:
      return FullConfig{};
    case 1:
    case 2: {
      SvftConfig svft;
      svft.pattern =
          dice.of<SvftPattern>({SvftPattern::kPlain, SvftPattern::kBanded, SvftPattern::kRandom});
      svft.bandwidth = dice.between(0, 4);
      svft.gate = dice.one_in(2);
      if (dice.one_in(3)) svft.basis_rank = dice.between(3, 12);
      if (dice.one_in(3)) svft.basis = SvftBasisStorage::kStored;
      return svft;
    }
    case 3:
    case 4: {
      PissaConfig pissa;
      pissa.low_rank = draw_low_rank(dice, false);
      pissa.singular_values = dice.of<std::string>({"principal", "principal", "medium", "minor"});
      if (pissa.singular_values == "principal" && dice.one_in(2)) pissa.svd = PissaSvd::kFast;
      if (dice.one_in(3)) pissa.initial_factors = InitialFactors::kRecompute;
      return pissa;
    }
    case 5:
    case 6:
      return LoraConfig{draw_low_rank(dice, true),
                        dice.one_in(2) ? LoraInit::kGaussian : LoraInit::kKaiming};
    default:
      return draw_rival(dice);
  }
}

TargetOptions draw_targets(Dice& dice, bool full) {
  TargetOptions targets;
  if (full && dice.one_in(2)) return targets;  // everything trains
  targets.target_modules = dice.some(kModules, 2);
  if (dice.one_in(4)) targets.target_modules.emplace_back("lm_head");
  if (targets.target_modules.empty() || dice.one_in(4)) targets.target_modules = {"all-linear"};
  if (dice.one_in(5)) targets.layers_to_transform = {1};
  if (full) return targets;
  if (dice.one_in(2)) {
    targets.modules_to_save =
        dice.some({"lm_head", "embed_tokens", "norm", "input_layernorm", "layers.0.mlp"}, 3);
  }
  targets.bias = dice.of<TrainedBias>(
      {TrainedBias::kNone, TrainedBias::kNone, TrainedBias::kAll, TrainedBias::kLoraOnly});
  targets.ensure_weight_tying = dice.one_in(4);
  return targets;
}

struct Draw {
  test::TinyModel tiny;
  MethodConfig method;
  TargetOptions targets;
  bool branch_bias = false;  // LoRA only
  std::optional<QuantType> quantized;
  bool starts_quantized = false;  // QPiSSA and LoftQ
  bool called_tied = false;       // by config.json, beside a head of its own
};

Draw draw(std::uint64_t seed) {
  Dice dice(seed);
  Draw out;
  out.tiny = {.family = dice.of<std::string>({"llama", "qwen2", "qwen3", "gemma"}),
              .tied = dice.one_in(2),
              .dtype = dice.one_in(3) ? at::kBFloat16 : at::kFloat,
              .seed = seed,
              .layers = 2};
  out.method = draw_method(dice);
  const bool full = std::holds_alternative<FullConfig>(out.method);
  const bool pissa = std::holds_alternative<PissaConfig>(out.method);
  out.targets = draw_targets(dice, full);
  const bool rounded = pissa || !method_traits(out.method).needs_dense_base;
  if (!full && rounded && dice.one_in(4)) {
    out.quantized = dice.one_in(3) ? QuantType::kInt8 : QuantType::kNf4;
    const auto* lora = std::get_if<LoraConfig>(&out.method);
    out.starts_quantized = pissa || (lora != nullptr && dice.one_in(2));
  }
  const auto* lora = std::get_if<LoraConfig>(&out.method);
  out.branch_bias = lora != nullptr && !out.starts_quantized && dice.one_in(3);
  out.called_tied = !out.tiny.tied && out.tiny.family != "gemma" && dice.one_in(3);
  return out;
}

std::string describe(const Draw& draw) {
  std::ostringstream out;
  out << draw.tiny.family
      << (draw.tiny.tied     ? " tied "
          : draw.called_tied ? " called tied "
                             : " ")
      << draw.tiny.dtype << (draw.branch_bias ? " lora_bias " : " ")
      << (draw.quantized ? (draw.starts_quantized ? "starts quantised " : "quantised ") : "")
      << options_to_json(draw.method, draw.targets).dump();
  return out.str();
}

double loss_of(Model& model) {
  const at::NoGradGuard no_grad;
  const Batch batch = test::one_document(test::tiny_tokens());
  const double loss = model.net->loss(batch).item<double>();
  // Training and evaluation take different ways through the head.
  EXPECT_NEAR(-model.net->log_probs(batch).sum(at::kDouble).item<double>(), loss, kTolerance);
  return loss;
}

// One configuration: trained for a few steps, then written in every form there is.
class WholeRun {
 public:
  WholeRun(const Draw& draw, const std::filesystem::path& directory)
      : draw_(draw), directory_(directory) {}

  // False when the options do not go together, which attaching says.
  bool train() {
    try {
      start();
    } catch (const Error& error) {
      refusal_ = error.what();
      return false;
    }
    AdamW optimizer(attached_.adapters.trainables(), {});
    attached_.adapters.refresh();
    const Batch batch = test::one_document(test::tiny_tokens());
    const double before = loss_of(model_);
    for (int step = 0; step < 3; ++step) {
      attached_.adapters.begin_micro_batch(true, 77 + step);
      model_.net->loss(batch).backward();
      optimizer.step(2e-2);
      optimizer.zero_gradients();
      attached_.adapters.refresh();
    }
    attached_.adapters.begin_micro_batch(false, 0);
    loss_ = loss_of(model_);
    EXPECT_GT(std::abs(loss_ - before), 10 * kTolerance) << "nothing was learnt";
    return true;
  }

  void check_all() {
    const bool full = std::holds_alternative<FullConfig>(draw_.method);
    save_adapter(model_, attached_.adapters, attached_.record, directory_ / "adapter");
    if (full) {
      expect_loss("the saved model", directory_ / "adapter", {});
    } else {
      expect_loss("the saved adapter", base_, directory_ / "adapter");
    }
    check_merge();
    if (full || adapted_layers(attached_.adapters).empty()) return;
    check_export("the exported LoRA", "lora", {});
    check_export("the LoRA cut to a tolerance", "cut", {.tolerance = kCut});
    const bool dense_pissa =
        std::holds_alternative<PissaConfig>(draw_.method) && !draw_.starts_quantized;
    if (!dense_pissa) return;
    export_residual(model_, attached_.adapters, attached_.record, directory_ / "residual",
                    {.dtype = at::kFloat});
    expect_loss("the residual form", directory_ / "residual" / "base",
                directory_ / "residual" / "adapter");
  }

  const std::string& refusal() const { return refusal_; }

 private:
  void start() {
    base_ = directory_ / "model";
    test::write_tiny_model(base_, draw_.tiny);
    if (draw_.called_tied) test::call_head_tied(base_);
    if (draw_.quantized) quantize();
    model_ = load_model(base_, {at::kFloat});
    if (draw_.starts_quantized) {
      attached_ = adopt(model_, load_adapter(model_, directory_ / "q" / "adapter"));
    } else {
      attached_ = attach(model_, draw_.method, draw_.targets, {.seed = draw_.tiny.seed});
    }
    if (draw_.branch_bias) add_branch_biases();
  }

  void quantize() {
    QuantizePlan plan;
    plan.type = *draw_.quantized;
    plan.targets = draw_.targets;
    plan.tuning.iters = 1;
    if (draw_.starts_quantized) {
      const auto* pissa = std::get_if<PissaConfig>(&draw_.method);
      plan.start = pissa ? QuantStart::kQpissa : QuantStart::kLoftq;
      plan.low_rank = pissa ? pissa->low_rank : std::get<LoraConfig>(draw_.method).low_rank;
    }
    Model dense = load_model(base_, {at::kFloat});
    quantize_model(dense, plan, directory_ / "q");
    base_ = directory_ / "q" / "base";
  }

  void add_branch_biases() {
    for (Linear* layer : adapted_layers(attached_.adapters)) {
      auto& adapter = dynamic_cast<LowRankAdapter&>(*layer->adapter());
      adapter.set_branch_bias(at::zeros({layer->out_features()}, adapter.B().options()));
    }
  }

  void check_merge() {
    try {
      merge_to_directory(model_, attached_.adapters, directory_ / "merged", {.dtype = at::kFloat});
    } catch (const ModelError& error) {
      // A family without a bias there is the one reason.
      EXPECT_TRUE(draw_.branch_bias) << error.what();
      EXPECT_NE(std::string(error.what()).find("lora_bias"), std::string::npos) << error.what();
      return;
    }
    expect_loss("the merged model", directory_ / "merged", {});
  }

  void check_export(const std::string& what, const std::string& name, LoraExportOptions options) {
    const std::vector<Linear*> layers = adapted_layers(attached_.adapters);
    const bool has_factors = layers.front()->adapter()->low_rank_delta().has_value();
    if (!has_factors && !options.tolerance) options.tolerance = kCut;
    export_lora(model_, attached_.adapters, attached_.record, directory_ / name, options);
    if (attached_.record.needs_its_base) {
      expect_loss(what, directory_ / name / "base", directory_ / name / "adapter");
    } else {
      expect_loss(what, base_, directory_ / name);
    }
  }

  void expect_loss(const std::string& what, const std::filesystem::path& base,
                   const std::optional<std::filesystem::path>& adapter) {
    Model model = load_model(base, {at::kFloat});
    if (adapter) load_adapter(model, *adapter);
    EXPECT_NEAR(loss_of(model), loss_, tolerance()) << what;
  }

  // A whole model is saved in its base's type: 16 bits round each weight by up to 2^-8.
  double tolerance() const {
    const bool whole = std::holds_alternative<FullConfig>(draw_.method);
    return whole && draw_.tiny.dtype == at::kBFloat16 ? 2e-3 * loss_ : kTolerance;
  }

  Draw draw_;
  std::filesystem::path directory_, base_;
  Model model_;
  Attached attached_;
  double loss_ = 0;
  std::string refusal_;
};

TEST(SameModel, InEveryFormThatIsWritten) {
  const std::uint64_t runs = number_from("SVTUNE_PROPERTY_RUNS", 60);
  const std::uint64_t first = number_from("SVTUNE_PROPERTY_SEED", 1);
  std::uint64_t refused = 0;
  for (std::uint64_t seed = first; seed < first + runs; ++seed) {
    const Draw drawn = draw(seed);
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + describe(drawn));
    const test::TempDirectory directory;
    WholeRun run(drawn, directory.path());
    try {
      if (!run.train()) {
        ++refused;
        continue;
      }
      run.check_all();
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
  // Some draws contradict themselves: tied tensors with an adapted head, a rank above the size.
  EXPECT_LE(refused, runs / 3 + 1);
}

}  // namespace same_model_test
}  // namespace svtune
