// LoRA on a model that PEFT made deeper by repeating its layers, against the same adapter on a
// checkpoint that is so deep itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "adapter_files/adapter_file.h"
#include "adapter_files/loaded_model.h"
#include "adapter_files/peft_directory.h"
#include "attach/attach.h"
#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "io/safetensors_source.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"
#include "merge/merge.h"

namespace svtune {
namespace replicated_layers_test {

using test::TempDirectory;
using ::testing::HasSubstr;

const std::vector<std::int64_t> kBlocks = {0, 1, 1, 2};  // of [0, 2) and [1, 3)

class ReplicatedLayers : public ::testing::Test {
 protected:
  void SetUp() override {
    test::write_tiny_model(base(), {.layers = 3});
    test::write_tiny_model(directory_ / "deep", {.layers = 4});
    std::vector<NamedTensor> deep;
    const std::string blocks = "model.layers.";
    for (const NamedTensor& each : test::tiny_tensors({.layers = 3})) {
      if (!each.name.starts_with(blocks)) {
        deep.push_back(each);
        continue;
      }
      const std::int64_t block = each.name[blocks.size()] - '0';
      for (std::size_t i = 0; i < kBlocks.size(); ++i) {
        if (kBlocks[i] != block) continue;
        deep.push_back({blocks + std::to_string(i) + each.name.substr(blocks.size() + 1),
                        each.tensor.clone()});
      }
    }
    write_tensors(directory_ / "deep" / "model.safetensors", deep);
    Model model = load_model(directory_ / "deep");
    const Attached attached = attach(model, LoraConfig{.low_rank = {.rank = 3}},
                                     {.target_modules = {"q_proj", "up_proj"}}, {.seed = 3});
    test::disturb(attached.adapters);
    logits_ = test::logits_of(model);
    save_adapter(model, attached.adapters, attached.record, adapter());
    replicate({{0, 2}, {1, 3}});
  }
  std::filesystem::path base() const { return directory_ / "base"; }
  std::filesystem::path adapter() const { return directory_ / "adapter"; }

  void replicate(const Json& ranges) const {
    Json config = read_json_file(adapter() / kPeftConfigFile);
    config["layer_replication"] = ranges;
    write_file_atomic(adapter() / kPeftConfigFile, dump_json(config));
  }

  template <class Load>
  std::string error_of(const Load& load) const {
    try {
      load();
    } catch (const Error& error) {
      return error.what();
    }
    return "it was loaded";
  }

  TempDirectory directory_;
  at::Tensor logits_;
};

TEST_F(ReplicatedLayers, EachOccurrenceHasItsOwnLora) {
  LoadedModel loaded = load_with_adapter(base(), adapter(), {});
  EXPECT_EQ(loaded.model.spec().num_layers, 4);
  EXPECT_EQ(loaded.adapter->adapters.layers.size(), 8u);
  EXPECT_TRUE(test::logits_of(loaded.model).equal(logits_));
  // Weights that occur twice are mapped once.
  const std::vector<Linear*> layers = loaded.model.net->linears();
  const auto data = [&](const std::string& name) {
    return (*std::ranges::find(layers, name, &Linear::name))->base().stored().const_data_ptr();
  };
  EXPECT_EQ(data("model.layers.1.mlp.down_proj"), data("model.layers.2.mlp.down_proj"));
}

TEST_F(ReplicatedLayers, ComeBackFromEveryForm) {
  const LoadedModel loaded = load_with_adapter(base(), adapter(), {});
  const LoadedAdapter& own = *loaded.adapter;
  save_adapter(loaded.model, own.adapters, own.record, directory_ / "again");
  LoadedModel again = load_with_adapter(base(), directory_ / "again", {});
  EXPECT_TRUE(test::logits_of(again.model).equal(logits_));
  merge_to_directory(loaded.model, own.adapters, directory_ / "merged");
  Model merged = load_model(directory_ / "merged");
  EXPECT_EQ(merged.spec().num_layers, 4);
  EXPECT_LT(test::max_difference(test::logits_of(merged), logits_), 1e-5);
}

TEST_F(ReplicatedLayers, WhatCannotBeIsRefused) {
  const auto load = [&] { load_with_adapter(base(), adapter(), {}); };
  EXPECT_THAT(error_of([&] {
                Model model = load_model(base());
                load_adapter(model, adapter());
              }),
              HasSubstr("repeats layers of the model, which this one was not loaded with"));
  EXPECT_THAT(
      error_of([&] { load_with_adapters(base(), {{"a", adapter()}, {"b", adapter()}}, {}); }),
      HasSubstr("repeats layers of the model, which one batch cannot have"));
  // Every second layer of Gemma 2 has a window.
  test::write_tiny_model(directory_ / "gemma", {.family = "gemma", .layers = 3});
  Json config = read_json_file(directory_ / "gemma" / "config.json");
  config["model_type"] = "gemma2";
  config["architectures"] = Json::array({"Gemma2ForCausalLM"});
  write_file_atomic(directory_ / "gemma" / "config.json", dump_json(config));
  EXPECT_THAT(error_of([&] { load_with_adapter(directory_ / "gemma", adapter(), {}); }),
              HasSubstr("layers that differ by their number, as in gemma2"));
  replicate({{0, 2}, {1, 4}});
  EXPECT_THAT(error_of(load), HasSubstr("[1, 4), the model has layers 0 to 2"));
  replicate({{0, 2, 3}});
  EXPECT_THAT(error_of(load), HasSubstr("layer_replication must be a list of ranges"));
}

}  // namespace replicated_layers_test
}  // namespace svtune
