// For tests only: every method of adapters/methods.h with its variants, on a tiny decoder.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "adapters/methods.h"
#include "attach/attach.h"
#include "attach/calibrate.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"
#include "quant/quant_storage.h"

namespace svtune::test {

struct ContractCase {
  std::string name;
  MethodConfig method;
  QuantType base = QuantType::kNf4;  // of cases on a quantised base
};
// Without it GoogleTest shows the bytes.
inline void PrintTo(const ContractCase& one, std::ostream* out) { *out << one.name; }

// Those between singular vectors.
inline void add_spectral_cases(std::vector<ContractCase>& list) {
  list.push_back({"lora_xs", LoraXsConfig{.rank = 6}});
  list.push_back({"svf", SvfConfig{}});
  list.push_back({"svfit", SvfitConfig{.rank = 8}});
  PicaConfig pica{.rank = 3};
  list.push_back({"pica", pica});
  pica.share_kinds = false;
  list.push_back({"pica_alone", pica});
  pica.frozen_side = PicaSide::kOutputs;
  list.push_back({"pica_outputs_alone", pica});
  pica.share_kinds = true;
  list.push_back({"pica_outputs", pica});
  list.push_back({"mica", MicaConfig{.rank = 3, .alpha = 6.0}});
  list.push_back({"psoft", PsoftConfig{.rank = 6}});
  list.push_back({"tinylora", TinyloraConfig{.rank = 4, .numbers = 9}});
  list.push_back(
      {"tinylora_tied", TinyloraConfig{.rank = 4, .numbers = 9, .tie = TinyloraTie::kAll}});
}

inline std::vector<ContractCase> contract_cases() {
  std::vector<ContractCase> list;
  LoraConfig lora;
  lora.low_rank.rank = 3;
  list.push_back({"lora", lora});
  lora.low_rank.rslora = true;
  lora.init = LoraInit::kGaussian;
  list.push_back({"rslora_gaussian", lora});
  lora.low_rank.rslora = false;
  lora.low_rank.rank = 4;
  lora.low_rank.alpha = 6;
  lora.init = LoraInit::kOrthogonal;
  list.push_back({"lora_orthogonal", lora});
  lora.init = LoraInit::kOlora;
  lora.b_rate_ratio = 4;
  list.push_back({"lora_olora", lora});
  lora.low_rank.rank = 3;
  for (const LoraInit init :
       {LoraInit::kEva, LoraInit::kCorda, LoraInit::kLoraGa, LoraInit::kLoraOne}) {
    lora.init = init;
    const auto index = static_cast<std::size_t>(init);
    list.push_back({"lora_" + std::string(kLoraInitNames[index].name), lora});
  }
  PissaConfig pissa;
  pissa.low_rank.rank = 3;
  pissa.low_rank.alpha = 6;
  list.push_back({"pissa", pissa});
  pissa.singular_values = "2:5";
  list.push_back({"pissa_range", pissa});
  pissa.singular_values = "principal";
  pissa.initial_factors = InitialFactors::kRecompute;
  list.push_back({"pissa_compact", pissa});
  pissa.svd = PissaSvd::kFast;
  list.push_back({"pissa_fast", pissa});
  SvftConfig svft;
  svft.bandwidth = 2;
  for (const SvftPattern pattern :
       {SvftPattern::kPlain, SvftPattern::kBanded, SvftPattern::kRandom}) {
    svft.pattern = pattern;
    const int index = static_cast<int>(pattern);
    list.push_back({"svft_" + std::string(kSvftPatternNames[index].name), svft});
  }
  svft.basis = SvftBasisStorage::kStored;
  list.push_back({"svft_stored", svft});
  svft.product = SvftProduct::kDelta;
  list.push_back({"svft_delta", svft});
  DoraConfig dora;
  dora.low_rank.rank = 3;
  dora.low_rank.alpha = 6;
  list.push_back({"dora", dora});
  dora.init = DoraInit::kPissa;
  list.push_back({"dora_pissa", dora});
  AdaloraConfig adalora{.rank = 4, .target_rank = 2, .alpha = 6.0};
  list.push_back({"adalora", adalora});
  adalora.orthogonal_penalty = OrthogonalPenalty::kSquares;
  adalora.init = AdaloraInit::kPissa;
  list.push_back({"adalora_pissa", adalora});
  OftConfig oft{.block_size = 8};
  list.push_back({"oft", oft});
  oft.rotation = OftRotation::kCayley;
  oft.block_share = true;
  list.push_back({"oft_cayley_shared", oft});
  BoftConfig boft{.block_size = 8};
  list.push_back({"boft", boft});
  boft.block_size = 4;  // runs of 8 divide 32 and 56 inputs
  boft.butterfly_factors = 2;
  list.push_back({"boft_two_factors", boft});
  VeraConfig vera{.rank = 24};
  list.push_back({"vera", vera});
  vera.save_projection = false;
  list.push_back({"vera_key", vera});
  MiloraConfig milora;
  milora.low_rank.rank = 3;
  list.push_back({"milora", milora});
  add_spectral_cases(list);
  list.push_back({"sorsa", SorsaConfig{.rank = 4, .orthogonal_weight = 0.1}});
  KasaConfig kasa;
  kasa.low_rank.rank = 3;
  kasa.low_rank.alpha = 6;
  list.push_back({"kasa", kasa});
  DeltaLoraConfig delta_lora;
  delta_lora.weight_ratio = 0.5;
  delta_lora.weight_start = 2;
  delta_lora.low_rank.rank = 3;
  list.push_back({"delta_lora", delta_lora});
  list.push_back({"flora", FloraConfig{.rank = 2}});
  list.push_back({"full", FullConfig{}});
  return list;
}

class Contract : public testing::TestWithParam<ContractCase> {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(testing::TempDir()) /
                 ("contract-" + std::to_string(::getpid()) + "-" + GetParam().name);
    write_tiny_model(directory_ / "model", {.layers = 2});
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  Model load(at::ScalarType dtype) const { return load_model(directory_ / "model", {dtype}); }

  Attached attach_to(Model& model, std::uint64_t seed = 5, bool initialise = true) const {
    TargetOptions targets;
    if (!method_traits(GetParam().method).trains_matrix) {
      targets.target_modules = {"all-linear"};
    }
    Calibration start{GetParam().method, targets, {}, nullptr};
    if (method_calibration_plan(start.method)) {
      const std::vector<Batch> texts = {one_document(tiny_tokens())};
      start = calibrate(model, start.method, targets, texts);
    }
    AttachOptions options{.seed = seed, .initialise = initialise};
    if (!start.starts.empty()) options.starts = &start.starts;
    Attached attached = attach(model, start.method, start.targets, options);
    attached.record.calibration = start.record;
    attached.adapters.refresh();
    return attached;
  }

  std::filesystem::path directory_;
};

inline at::Tensor loss_of(Model& model) { return model.net->loss(one_document(tiny_tokens())); }

}  // namespace svtune::test
