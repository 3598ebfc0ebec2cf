// Image models without any other program: what they read and refuse, new heads, files, counts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "adapter_files/adapter_file.h"
#include "adapter_files/loaded_model.h"
#include "attach/attach.h"
#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "io/load_tokenizer.h"
#include "io/safetensors_source.h"
#include "io/tiny_encoder_test_util.h"
#include "io/tiny_vision_test_util.h"
#include "libtorch/prelude.h"
#include "merge/merge.h"

namespace svtune {
namespace models_test {

using test::max_difference;
using testing::HasSubstr;

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

class VisionFiles : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    test::write_tiny_vision(directory_ / "model", {.family = GetParam()});
    test::write_tiny_vision(directory_ / "bare", {.family = GetParam(), .bare = true});
  }
  Model load(const std::string& name) const {
    LoadOptions options{at::kFloat};
    if (name == "bare") options.head = NewHead{HeadTask::kDocument, 3, {"cat", "dog", "ant"}, 4};
    return load_model(directory_ / name, options);
  }
  static bool is(const std::string& family) { return family == GetParam(); }
  static std::string prefix() {
    return is("clip") ? "vision_model." : std::string(GetParam()) + ".";
  }
  static std::int64_t registers() { return is("dinov2_with_registers") ? 2 : 0; }

  test::TempDirectory directory_;
};

TEST_P(VisionFiles, BareModelsGetANewHead) {
  const Model model = load("bare");
  EXPECT_THAT(model.made, testing::ElementsAre("classifier.bias", "classifier.weight"));
  if (is("clip")) {
    EXPECT_THAT(model.warnings,
                testing::ElementsAre(HasSubstr("3 tensors belong to other networks of the "
                                               "checkpoint (logit_scale, text_model, "
                                               "text_projection): they are not used")));
  } else {
    EXPECT_THAT(model.warnings, testing::IsEmpty());
  }
  EXPECT_THAT(model.config.at("architectures").front().get<std::string>(),
              testing::EndsWith("ForImageClassification"));
  EXPECT_EQ(model.net->head().in_features(), is("vit") || is("clip") ? 32 : 64);
  EXPECT_THAT(error_of([&] { load_model(directory_ / "bare"); }),
              HasSubstr("Model has no head of labels"));
  LoadOptions tokens;
  tokens.head = NewHead{HeadTask::kToken, 3};
  EXPECT_THAT(error_of([&] { load_model(directory_ / "bare", tokens); }),
              HasSubstr("can label no tokens"));
}

TEST_P(VisionFiles, SavedAdapterBringsTheHead) {
  for (const MethodConfig& method :
       {MethodConfig(LoraConfig{}), MethodConfig(SvftConfig{.bandwidth = 2})}) {
    Model model = load("bare");
    const Attached attached = attach(model, method, {.target_modules = {"all-linear"}}, {});
    Model base = load("bare");
    // SVFT's start is a product of factors in fp32.
    EXPECT_LT(max_difference(test::image_logits_of(model), test::image_logits_of(base)), 1e-4);
    test::disturb(attached.adapters);
    const at::Tensor expected = test::image_logits_of(model);
    const auto adapter = directory_ / method_name(method);
    save_adapter(model, attached.adapters, attached.record, adapter);
    LoadedModel again = load_with_adapter(directory_ / "bare", adapter, {});
    EXPECT_EQ(max_difference(test::image_logits_of(again.model), expected), 0);
    EXPECT_EQ(again.model.config.at("id2label").at("2"), "ant");
  }
}

// What the classifier does not read stays in the files.
TEST_P(VisionFiles, MergingKeepsEveryTensor) {
  Model model = load("model");
  const Attached attached = attach(model, FullConfig{}, {});
  test::disturb(attached.adapters);
  const at::Tensor expected = test::image_logits_of(model);
  merge_to_directory(model, attached.adapters, directory_ / "merged");
  Model merged = load_model(directory_ / "merged");
  // The products of fp32 matrices of 32 columns are summed in another order.
  EXPECT_LT(max_difference(test::image_logits_of(merged), expected), 1e-4);
  EXPECT_THAT(merged.weights->names(), testing::UnorderedElementsAreArray(model.weights->names()));
  const std::string mask =
      prefix() + (is("clip") ? "post_layernorm.bias" : "embeddings.mask_token");
  const std::string position = prefix() + (is("clip") ? "embeddings.position_embedding.weight"
                                                      : "embeddings.position_embeddings");
  EXPECT_NE(merged.weights->hash(position), model.weights->hash(position));
  EXPECT_EQ(merged.weights->hash(mask), model.weights->hash(mask));
}

TEST_P(VisionFiles, RecomputedBlocksGiveTheSameGradients) {
  Model kept = load("model"), again = load("model");
  again.net->set_recompute(RecomputePlan::all());
  const Attached a = attach(kept, FullConfig{}, {}), b = attach(again, FullConfig{}, {});
  kept.net->loss(test::two_images(registers())).backward();
  again.net->loss(test::two_images(registers())).backward();
  const auto left = a.adapters.trainables(), right = b.adapters.trainables();
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    // The same operations on the same values.
    EXPECT_TRUE(at::equal(left[i].tensor.grad(), right[i].tensor.grad())) << left[i].name;
  }
}

TEST_P(VisionFiles, RefuseWhatIsNoImageOfTheirs) {
  Model model = load("model");
  Network& net = *model.net;
  const bool any_size = !is("vit") && !is("clip");
  const std::int64_t more = registers();
  const auto logits_of = [&](Batch batch) { return error_of([&] { net.document_logits(batch); }); };
  Batch text = test::without_types(test::two_documents());
  EXPECT_THAT(logits_of(text), HasSubstr("it reads no text"));
  EXPECT_THAT(error_of([&] { net.log_probs(test::two_images(more)); }),
              HasSubstr("a model of labels of images: it predicts no tokens"));
  Batch short_rows = test::two_images(more);
  short_rows.offsets[1] -= 1;
  const std::string counts = "document 0 has " + std::to_string(16 + more) + " tokens, its image " +
                             std::to_string(17 + more);
  EXPECT_THAT(logits_of(short_rows), HasSubstr(counts));
  Batch one = test::two_images(more);
  one.images = one.images.narrow(0, 0, 1);
  EXPECT_THAT(logits_of(one), HasSubstr("needs images [2, 3, height, width]"));
  const Batch wide = test::image_batch(at::zeros({1, 3, 16, 20}), 21 + more);
  const Batch odd = test::image_batch(at::zeros({1, 3, 16, 18}), 17 + more);
  EXPECT_THAT(logits_of(wide), HasSubstr(any_size ? "" : "takes 16 x 16"));
  EXPECT_EQ(logits_of(wide).empty(), any_size);
  EXPECT_THAT(logits_of(odd), HasSubstr(any_size ? "squares of 4" : "takes 16 x 16"));
  LoadOptions any;
  any.any_image_size = true;
  Model other = load_model(directory_ / "model", any);
  EXPECT_EQ(error_of([&] { other.net->document_logits(wide); }), "");
  EXPECT_THAT(error_of([&] { load_tokenizer(directory_ / "model"); }),
              HasSubstr("reads images: it has no tokenizer"));
  LoadOptions words;
  words.vocab_size = 9;
  EXPECT_THAT(error_of([&] { load_model(directory_ / "model", words); }), HasSubstr("no words"));
  EXPECT_THAT(error_of([&] {
                attach(model, LoraConfig{},
                       {.target_modules = {"all-linear"}, .trainable_token_indices = {3}});
              }),
              HasSubstr("a model of images does not have"));
}

INSTANTIATE_TEST_SUITE_P(Families, VisionFiles,
                         testing::Values("vit", "dinov2", "dinov2_with_registers", "clip"),
                         [](const auto& info) { return std::string(info.param); });

TEST(VisionInput, TextModelsReadNoImages) {
  test::TempDirectory directory;
  test::write_tiny_encoder(directory / "model", {});
  Model model = load_model(directory / "model", {at::kFloat});
  EXPECT_THAT(error_of([&] { model.net->document_logits(test::two_images()); }),
              HasSubstr("it reads no images"));
}

TEST(VisionConfig, RefusesWhatChangesTheComputation) {
  struct Refused {
    const char* family;
    const char* key;
    Json value;
  };
  const std::vector<Refused> list = {{"vit", "num_channels", 1},
                                     {"vit", "patch_size", {4, 8}},
                                     {"vit", "image_size", 18},
                                     {"vit", "image_size", {16, 16, 16}},
                                     {"vit", "hidden_act", "relu"},
                                     {"vit", "num_attention_heads", 5},
                                     {"vit", "problem_type", "multi_label_classification"},
                                     {"dinov2", "num_register_tokens", 4},
                                     {"dinov2_with_registers", "num_register_tokens", 0},
                                     {"dinov2", "mlp_ratio", -1}};
  for (const Refused& each : list) {
    Json config = test::tiny_vision_config({.family = each.family});
    EXPECT_EQ(error_of([&] { parse_arch(config, "config.json"); }), "") << each.family;
    config[each.key] = each.value;
    const std::string error = error_of([&] { parse_arch(config, "config.json"); });
    const bool heads = std::string(each.key) == "num_attention_heads";
    EXPECT_THAT(error, HasSubstr(heads ? "5 heads" : each.key));
  }
  Json config = test::tiny_vision_config({});
  config["model_type"] = "dinov3_vit";
  EXPECT_THAT(error_of([&] { parse_arch(config, "config.json"); }),
              HasSubstr("\"dinov3_vit\" is not supported"));
  config = test::tiny_vision_config({});
  config["image_size"] = {8, 16};
  const ArchSpec spec = parse_arch(config, "config.json");
  EXPECT_EQ(spec.image->height, 8);
  EXPECT_EQ(spec.max_positions, 9);
}

Json tiny_clip_with(const std::string& key, const Json& value) {
  Json config = test::tiny_vision_config({.family = "clip"});
  config["vision_config"][key] = value;
  return config;
}

TEST(ClipConfig, IsThatOfItsTowerForImages) {
  const auto refusal = [](const Json& config) {
    return error_of([&] { parse_arch(config, "config.json"); });
  };
  EXPECT_THAT(refusal(tiny_clip_with("hidden_act", "relu")),
              HasSubstr("\"hidden_act\" = \"relu\""));
  EXPECT_THAT(refusal(tiny_clip_with("patch_size", {4, 8})), HasSubstr("patch_size"));
  Json config = tiny_clip_with("attention_dropout", 0.2);
  config["text_config"] = {{"hidden_size", 8}, {"model_type", "clip_text_model"}};
  const ArchSpec spec = parse_arch(config, "config.json");
  EXPECT_EQ(dropout_text(spec.dropout), "attention weights 0.2");
  EXPECT_EQ(spec.hidden_size, 32);
  EXPECT_EQ(spec.num_labels, 3);
  // As in transformers, with its defaults for what the older key leaves out.
  config["vision_config_dict"] = {{"hidden_size", 96}, {"patch_size", 16}};
  const ArchSpec older = parse_arch(config, "config.json");
  EXPECT_EQ(older.hidden_size, 96);
  EXPECT_EQ(older.num_layers, 12);
  EXPECT_EQ(older.max_positions, 1 + 14 * 14);
  config["vision_config_dict"] = 3;
  EXPECT_THAT(refusal(config), HasSubstr("\"vision_config_dict\" is no object"));
}

// Files hold its names with the prefix or without.
TEST(ClipTower, SavedAloneBecomesTheWholeWithAHead) {
  test::TempDirectory directory;
  test::write_tiny_vision(directory / "both", {.family = "clip", .bare = true});
  Json config = read_json_file(directory / "both/config.json").at("vision_config");
  config["architectures"] = {"CLIPVisionModel"};
  const SafetensorsSource stored(directory / "both");
  std::vector<NamedTensor> tensors;
  const std::string prefix = "vision_model.";
  for (const std::string& name : stored.names()) {
    if (!name.starts_with(prefix)) continue;
    tensors.push_back({name.substr(prefix.size()), stored.read(name, at::kFloat).value()});
  }
  std::filesystem::create_directories(directory / "tower");
  write_file_atomic(directory / "tower/config.json", dump_json(config));
  write_tensors(directory / "tower/model.safetensors", tensors);
  LoadOptions options{at::kFloat};
  options.head = NewHead{.labels = 3, .seed = 4};
  Model both = load_model(directory / "both", options);
  Model tower = load_model(directory / "tower", options);
  EXPECT_THAT(tower.warnings, testing::IsEmpty());
  EXPECT_EQ(max_difference(test::image_logits_of(tower), test::image_logits_of(both)), 0);
  EXPECT_EQ(tower.config.at("model_type"), "clip");
  EXPECT_EQ(tower.config.at("architectures").front(), "CLIPForImageClassification");
  EXPECT_EQ(tower.config.at("vision_config").at("hidden_size"), 32);
}

// Integers, which older files hold, stay out of what is written.
TEST(ClipTower, NumbersOfPlacesAreNotWritten) {
  test::TempDirectory directory;
  test::write_tiny_vision(directory / "model", {.family = "clip"});
  const SafetensorsSource stored(directory / "model");
  std::vector<NamedTensor> tensors;
  for (const std::string& name : stored.names()) {
    tensors.push_back({name, stored.read(name, at::kFloat).value().clone()});
  }
  const std::string places = "vision_model.embeddings.position_ids";
  tensors.push_back({places, at::arange(17, at::TensorOptions().dtype(at::kLong))});
  write_tensors(directory / "model/model.safetensors", tensors);
  Model model = load_model(directory / "model");
  EXPECT_THAT(model.warnings, testing::IsEmpty());
  merge_to_directory(model, attach(model, FullConfig{}, {}).adapters, directory / "merged");
  EXPECT_THAT(load_model(directory / "merged").weights->names(),
              testing::Not(testing::Contains(places)));
}

TEST(VisionNames, GoToThoseInMemoryAndBack) {
  const ArchSpec vit = parse_arch(test::tiny_vision_config({}), "config.json");
  const std::vector<RunningName>& names = vit.running_names;
  for (const auto& [stored, running] : std::vector<std::pair<std::string, std::string>>{
           {"vit.encoder.layer.0.attention.attention.query.weight",
            "vit.layers.0.attention.q_proj.weight"},
           {"base.vit.encoder.layer.11.attention.output.dense.lora_A.weight",
            "base.vit.layers.11.attention.o_proj.lora_A.weight"},
           {"vit.encoder.layer.0.intermediate.dense", "vit.layers.0.mlp.fc1"},
           {"vit.encoder.layer.0.output.dense", "vit.layers.0.mlp.fc2"},
           {"vit.encoder.layer.0.layernorm_before", "vit.layers.0.layernorm_before"},
           {"classifier", "classifier"}}) {
    EXPECT_EQ(running_path(names, stored), running);
    EXPECT_EQ(stored_path(names, running), stored);
  }
}

// Without weights: tensors of one stored element.
class NoWeights final : public WeightSource {
 public:
  std::optional<at::Tensor> read(const std::string&, at::ScalarType) const override { return {}; }
  std::filesystem::path place_of(const std::string&) const override { return {}; }
  std::vector<std::string> names() const override { return {}; }
  at::ScalarType stored_dtype() const override { return at::kFloat; }
  std::uint64_t hash(const std::string&) const override { return 0; }
};

std::int64_t adapted_parameters(const Json& config, const MethodConfig& method,
                                const std::vector<std::string>& modules) {
  Model model;
  model.config = config;
  model.weights = std::make_shared<NoWeights>();
  model.net = std::make_unique<Network>(
      parse_arch(config, "test"), [](const std::string&, const std::vector<std::int64_t>& shape) {
        return at::zeros({1}, at::kFloat).expand(shape);
      });
  const AttachOptions shapes{.initialise = false, .check = false, .shapes_only = true};
  const Attached attached = attach(model, method, {.target_modules = modules}, shapes);
  std::int64_t count = 0;
  for (const AdaptedLayer& layer : attached.report.layers) count += layer.trainable;
  return count;
}

// SVFT's paper counts query and value, or every linear layer of every block; "output.dense" is the
// end of two of them. 18.5K, .28M and 1.32M for ViT-B there, .74M for ViT-L.
TEST(VisionCounts, AreThoseOfThePaper) {
  Json base = test::tiny_vision_config({});
  base.update({{"hidden_size", 768},
               {"intermediate_size", 3072},
               {"num_attention_heads", 12},
               {"num_hidden_layers", 12},
               {"image_size", 224},
               {"patch_size", 16}});
  Json large = base;
  large.update({{"hidden_size", 1024},
                {"intermediate_size", 4096},
                {"num_attention_heads", 16},
                {"num_hidden_layers", 24}});
  const std::vector<std::string> papers = {"query", "key", "value", "intermediate.dense",
                                           "output.dense"};
  const SvftConfig two{.pattern = SvftPattern::kRandom, .bandwidth = 2};
  LoraConfig lora;
  lora.low_rank.rank = 8;
  EXPECT_EQ(
      adapted_parameters(base, SvftConfig{.pattern = SvftPattern::kPlain}, {"query", "value"}),
      18'432);
  EXPECT_EQ(adapted_parameters(base, two, papers), 276'048);
  EXPECT_EQ(adapted_parameters(base, two, {"all-linear"}), 276'048);
  EXPECT_EQ(adapted_parameters(base, lora, papers), 1'327'104);
  EXPECT_EQ(adapted_parameters(large, two, papers), 736'416);
}

}  // namespace models_test
}  // namespace svtune
