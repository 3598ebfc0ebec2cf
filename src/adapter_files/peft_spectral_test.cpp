// PEFT's own forms of methods between singular vectors, written here as its layers are. Files that
// PEFT itself wrote: tests/parity/peft_files_test.cpp.
#include <ATen/ops/linalg_inv.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "adapter_files/adapter_file.h"
#include "adapter_files/peft_directory.h"
#include "adapters/psoft/psoft.h"
#include "adapters/tinylora/tinylora.h"
#include "attach/attach.h"
#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "io/safetensors_source.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace peft_spectral_test {

using test::TempDirectory;
using ::testing::HasSubstr;

const std::vector<std::string> kTargets = {"q_proj", "down_proj"};  // of each of three layers

class PeftSpectral : public ::testing::Test {
 protected:
  void SetUp() override { test::write_tiny_model(base(), {.family = "qwen2", .tied = true}); }
  std::filesystem::path base() const { return directory_ / "base"; }
  std::filesystem::path adapter() const { return directory_ / "adapter"; }

  void write(Json config, const std::vector<NamedTensor>& tensors) const {
    std::filesystem::create_directories(adapter());
    config["target_modules"] = kTargets;
    config["task_type"] = "CAUSAL_LM";
    write_file_atomic(adapter() / kPeftConfigFile, dump_json(config));
    write_tensors(adapter() / kPeftWeightsFile, tensors);
  }

  LoadedAdapter load(Model& model) const { return load_adapter(model, adapter()); }

  std::string error() const {
    Model model = load_model(base());
    try {
      load_adapter(model, adapter());
    } catch (const FileError& refused) {
      return refused.what();
    }
    return "it was loaded";
  }

  TempDirectory directory_;
};

// TinyLoRA as PEFT saves it: A, B and P of each layer, and vectors by their number.
std::vector<NamedTensor> tinylora_tensors(const AdapterSet& adapters,
                                          const std::map<std::string, std::string>& vectors) {
  std::vector<NamedTensor> tensors;
  std::map<std::string, at::Tensor> by_number;
  for (const Linear* layer : adapters.layers) {
    Adapter& adapter = *layer->adapter();
    for (const Trainable& each : adapter.trainables()) {
      by_number[vectors.at(layer->name())] = each.tensor.detach().clone();
    }
    for (const NamedTensor& each : adapter.frozen_state()) {
      const std::string part = each.name == "spectral_L"   ? "B"
                               : each.name == "spectral_R" ? "A"
                                                           : "P";
      tensors.push_back({"base_model.model." + layer->name() + ".tinylora_" + part, each.tensor});
    }
  }
  for (const auto& [number, tensor] : by_number) {
    tensors.push_back({"base_model.tinylora_v." + number, tensor});
  }
  return tensors;
}

Json tinylora_config(double tying) {
  return {{"peft_type", "TINYLORA"}, {"r", 3}, {"u", 5}, {"weight_tying", tying}};
}

TEST_F(PeftSpectral, TinyloraHasItsSidesAndMatricesInTheFile) {
  for (const double tying : {0.0, 1.0}) {
    SCOPED_TRACE(tying);
    TinyloraConfig config{.rank = 3, .numbers = 5};
    if (tying == 1) config.tie = TinyloraTie::kAll;
    Model model = load_model(base());
    const Attached attached = attach(model, config, {.target_modules = kTargets}, {.seed = 3});
    test::disturb(attached.adapters);
    std::map<std::string, std::string> vectors;
    std::size_t index = 0;
    for (const Linear* layer : attached.adapters.layers) {
      vectors[layer->name()] = std::to_string(tying == 1 ? 0 : index++);
    }
    write(tinylora_config(tying), tinylora_tensors(attached.adapters, vectors));
    Model again = load_model(base());
    const LoadedAdapter loaded = load(again);
    EXPECT_TRUE(loaded.warnings.empty());
    EXPECT_TRUE(test::logits_of(again).equal(test::logits_of(model)));
    EXPECT_EQ(loaded.adapters.num_trainable(), attached.adapters.num_trainable());
    // As svtune saves it, it comes back as well.
    save_adapter(again, loaded.adapters, loaded.record, directory_ / "own", IfExists::kReplace);
    Model own = load_model(base());
    load_adapter(own, directory_ / "own");
    EXPECT_TRUE(test::logits_of(own).equal(test::logits_of(model)));
  }
}

// Six layers at a tying of 0.5 are three groups of two in a row.
TEST_F(PeftSpectral, LayersOfAGroupOfTinyloraGetItsVector) {
  Model model = load_model(base());
  const TinyloraConfig config{.rank = 3, .numbers = 5};
  const Attached attached = attach(model, config, {.target_modules = kTargets}, {.seed = 3});
  std::map<std::string, std::string> vectors;
  std::size_t index = 0;
  for (const Linear* layer : attached.adapters.layers) {
    const std::size_t group = index++ / 2;
    layer->adapter()->trainables()[0].tensor.detach().copy_(test::random_tensor({5}, 0.3, group));
    vectors[layer->name()] = std::to_string(group);
  }
  ASSERT_EQ(index, 6u);
  write(tinylora_config(0.5), tinylora_tensors(attached.adapters, vectors));
  Model again = load_model(base());
  const LoadedAdapter loaded = load(again);
  ASSERT_EQ(loaded.warnings.size(), 1u);
  EXPECT_THAT(loaded.warnings[0], HasSubstr("weight_tying is 0.5"));
  EXPECT_TRUE(test::logits_of(again).equal(test::logits_of(model)));
}

TEST_F(PeftSpectral, TinyloraWithoutItsMatricesIsRefused) {
  Json config = tinylora_config(0);
  config["save_projection"] = false;
  write(config, {});
  EXPECT_THAT(error(), HasSubstr("save_projection is false"));
}

// Which vector is whose is told by a number alone.
TEST_F(PeftSpectral, TinyloraOfModelsThatTransformersOrdersOtherwiseIsRefused) {
  std::filesystem::remove_all(base());
  test::write_tiny_model(base(), {.family = "phi3"});
  Model model = load_model(base());
  const Attached attached = attach(model, TinyloraConfig{.rank = 3, .numbers = 5},
                                   {.target_modules = {"qkv_proj", "o_proj"}}, {.seed = 3});
  std::map<std::string, std::string> vectors;
  std::size_t index = 0;
  for (const Linear* layer : attached.adapters.layers) {
    vectors[layer->name()] = std::to_string(index++);
  }
  write(tinylora_config(0), tinylora_tensors(attached.adapters, vectors));
  Json config = read_json_file(adapter() / kPeftConfigFile);
  config["target_modules"] = {"qkv_proj", "o_proj"};
  write_file_atomic(adapter() / kPeftConfigFile, dump_json(config));
  EXPECT_THAT(error(), HasSubstr("an order that transformers has for itself in phi3"));
}

// W + B (R - 1) A with A, B from torch.linalg.svd in fp32 and R = diag(b) (1 + Q)(1 - Q)⁻¹ diag(a).
at::Tensor psoft_weight(const at::Tensor& W, const at::Tensor& q, const at::Tensor& a,
                        const at::Tensor& b) {
  const std::int64_t r = a.size(0);
  const auto [U, S, Vh] = at::linalg_svd(W, false);
  at::Tensor Q = at::zeros({r, r});
  std::int64_t k = 0;
  for (std::int64_t i = 0; i < r; ++i) {
    for (std::int64_t j = i + 1; j < r; ++j, ++k) {
      Q[i][j] = q[k];
      Q[j][i] = -q[k];
    }
  }
  const at::Tensor one = at::eye(r);
  const at::Tensor turn = at::mm(one + Q, at::linalg_inv(one - Q));
  const at::Tensor R = b.unsqueeze(1) * turn * a - one;
  const at::Tensor left = U.narrow(1, 0, r) * S.narrow(0, 0, r);
  return W + left.mm(R).mm(Vh.narrow(0, 0, r));
}

TEST_F(PeftSpectral, PsoftTurnsTheVectorsOfLapack) {
  Model plain = load_model(base());
  std::vector<NamedTensor> tensors;
  std::map<std::string, at::Tensor> wanted;
  std::uint64_t seed = 1;
  for (const Linear* layer : plain.net->linears()) {
    if (!layer->name().ends_with("q_proj") && !layer->name().ends_with("down_proj")) continue;
    const at::Tensor q = test::random_tensor({6}, 0.3, seed++),
                     a = test::random_tensor({4}, 0.2, seed++) + 1,
                     b = test::random_tensor({4}, 0.2, seed++) + 1;
    const std::string key = "base_model.model." + layer->name() + ".psoft_R.";
    tensors.push_back({key + "weight", q});
    tensors.push_back({key + "vector_a", a});
    tensors.push_back({key + "vector_b", b});
    wanted[layer->name()] = psoft_weight(layer->base().dense(), q, a, b);
  }
  Json config = {{"peft_type", "PSOFT"}, {"r", 4}, {"psoft_alpha", 7}};
  write(config, tensors);
  Model model = load_model(base());
  const LoadedAdapter loaded = load(model);
  ASSERT_EQ(loaded.warnings.size(), 1u);
  EXPECT_THAT(loaded.warnings[0], HasSubstr("the signs that LAPACK has"));
  ASSERT_EQ(loaded.adapters.layers.size(), wanted.size());
  for (const Linear* layer : loaded.adapters.layers) {
    // Two orders of the same fp32 products.
    EXPECT_LT(test::max_difference(layer->effective_weight(), wanted.at(layer->name())), 1e-5)
        << layer->name();
  }
  save_adapter(model, loaded.adapters, loaded.record, directory_ / "own");
  Model own = load_model(base());
  EXPECT_TRUE(load_adapter(own, directory_ / "own").warnings.empty());
  EXPECT_TRUE(test::logits_of(own).equal(test::logits_of(model)));
  config["psoft_orth"] = false;
  config["psoft_svd"] = "lowrank";
  write(config, tensors);
  EXPECT_THAT(error(), HasSubstr("psoft_orth is false"));
  EXPECT_THAT(error(), HasSubstr("psoft_svd is \"lowrank\""));
}

}  // namespace peft_spectral_test
}  // namespace svtune
