// Image models against transformers: logits, losses and the gradients of all parameters, and PEFT's
// adapters in both directions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "adapter_files/adapter_file.h"
#include "adapter_files/loaded_model.h"
#include "attach/attach.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "io/safetensors_source.h"
#include "io/tiny_vision_test_util.h"
#include "libtorch/prelude.h"
#include "merge/merge.h"
#include "nn/ops/dropout.h"

namespace svtune {
namespace image_parity_test {

namespace fs = std::filesystem;

using test::max_difference;
using test::TempDirectory;

// Two summation orders in fp32 over two layers.
constexpr double kTolerance = 2e-4;

inline constexpr char kScript[] = "vision_models.py";
class VisionParity : public test::OracleModels<kScript> {};

at::Tensor tensor_of(const fs::path& file, const std::string& name) {
  return SafetensorsSource(file).read(name, at::kFloat).value();
}

// The images and labels of expected.safetensors.
Batch batch_of(const Model& model, const fs::path& file) {
  const at::Tensor images = tensor_of(file, "images");
  Batch batch =
      test::image_batch(images, image_tokens(*model.spec().image, images.size(2), images.size(3)));
  batch.document_targets = tensor_of(file, "labels");
  if (model.spec().num_labels > 1) batch.document_targets = batch.document_targets.to(at::kLong);
  return batch;
}

at::Tensor logits_for(Model& model, const Batch& batch) {
  const at::NoGradGuard no_grad;
  return model.net->document_logits(batch);
}

// Every parameter trains; a loss is a sum here, transformers' a mean.
void compare_gradients(Model& model, const Batch& batch, const fs::path& answers) {
  const Attached attached = attach(model, FullConfig{}, {});
  const at::Tensor loss = model.net->loss(batch) / static_cast<double>(batch.num_supervised());
  EXPECT_NEAR(loss.item<double>(), tensor_of(answers, "loss").item<double>(), kTolerance);
  loss.backward();
  std::set<std::string> compared;
  for (const Trainable& each : attached.adapters.trainables()) {
    const std::string name = "grad." + running_path(model.spec().running_names, each.name);
    const at::Tensor right = tensor_of(answers, name);
    const double size = right.abs().max().item<double>();
    ASSERT_TRUE(each.tensor.grad().defined()) << each.name;
    EXPECT_LT(max_difference(each.tensor.grad(), right), 1e-6 + kTolerance * size) << each.name;
    compared.insert(name);
  }
  for (const std::string& name : SafetensorsSource(answers).names()) {
    EXPECT_EQ(compared.contains(name), name.starts_with("grad.")) << name;
  }
}

TEST_F(VisionParity, LogitsLossesAndGradientsEqualTransformers) {
  std::int64_t variants = 0;
  for (const auto& entry : fs::directory_iterator(models())) {
    const fs::path answers = entry.path() / "expected.safetensors";
    if (!fs::exists(answers)) continue;
    SCOPED_TRACE(entry.path().filename());
    LoadOptions options{at::kFloat};
    const std::string name = entry.path().filename().string();
    options.any_image_size = name == "vit_sized" || name == "clip_sized";
    Model model = load_model(entry.path(), options);
    const Batch batch = batch_of(model, answers);
    const at::Tensor logits = logits_for(model, batch);
    const at::Tensor wanted = tensor_of(answers, "logits").reshape({logits.size(0), -1});
    ASSERT_EQ(logits.sizes(), wanted.sizes());
    EXPECT_LT(max_difference(logits, wanted), kTolerance);
    EXPECT_GT(wanted.std(0).min().item<double>(), 1e-3) << "the images differ in nothing";
    compare_gradients(model, batch, answers);
    ++variants;
  }
  EXPECT_EQ(variants, 12);
}

TEST_F(VisionParity, TensorsMayBeNamedAsInMemory) {
  for (const std::string name : {"vit", "dinov2", "registers"}) {
    const fs::path answers = models() / name / "expected.safetensors";
    Model model = load_model(models() / (name + "-running"), {at::kFloat});
    EXPECT_LT(
        max_difference(logits_for(model, batch_of(model, answers)), tensor_of(answers, "logits")),
        kTolerance);
    EXPECT_THAT(model.warnings, testing::IsEmpty());
  }
}

TEST_F(VisionParity, LoadsWhatPeftWrites) {
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(models() / "adapters")) {
    if (!entry.is_directory()) continue;
    const std::string name = entry.path().filename().string();
    SCOPED_TRACE(name);
    const fs::path base = models() / name.substr(0, name.find('-'));
    LoadedModel loaded = load_with_adapter(base, entry.path(), {});
    const Batch batch = batch_of(loaded.model, base / "expected.safetensors");
    const at::Tensor wanted = tensor_of(models() / "adapters" / (name + ".safetensors"), "logits");
    EXPECT_LT(max_difference(logits_for(loaded.model, batch), wanted), kTolerance);
    Model start = load_model(base);
    EXPECT_GT(max_difference(logits_for(start, batch), wanted), 1e-2);
    ++cases;
  }
  EXPECT_EQ(cases, 15);
}

struct Written {
  std::string name;
  MethodConfig method;
  TargetOptions targets;
};

std::vector<Written> written() {
  LoraConfig lora, ranks;
  lora.low_rank.rank = 3;
  ranks.low_rank = {.rank = 3, .rank_pattern = {{"query", 2}}};
  const TargetOptions all{.target_modules = {"all-linear"}};
  TargetOptions biases{.target_modules = {"query", "value"}};
  biases.bias = TrainedBias::kLoraOnly;
  return {{"lora", lora, {}},
          {"ranks", ranks, all},
          {"biases", lora, biases},
          {"dora", DoraConfig{lora.low_rank}, all},
          {"oft", OftConfig{.block_size = 8}, all}};
}

// Of each branch in the order of the pass [branches, S], 1 where an image keeps it.
at::Tensor staying(const PassDropout& dropout, std::size_t layers, std::int32_t images) {
  std::vector<std::int32_t> offsets;
  for (std::int32_t s = 0; s <= images; ++s) offsets.push_back(s);
  std::vector<at::Tensor> rows;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    for (const char* place : {"attention branch", "feed-forward branch"}) {
      const Dropout drawn = dropout.at(dropout.rates.branches, place, layer);
      const at::Tensor ones = at::ones({images, 1}, at::TensorOptions().dtype(at::kFloat));
      rows.push_back(documents_dropped(ones, offsets, drawn).ne(0).to(at::kFloat).view({images}));
    }
  }
  return at::stack(rows);
}

// A model that drops whole branches, with loss and gradients of a step in `out`; a case of "check".
Json depth_case(const fs::path& out) {
  test::write_tiny_vision(out, {.family = "dinov2"});
  Json config = read_json_file(out / "config.json");
  config["drop_path_rate"] = 0.4;
  write_file_atomic(out / "config.json", dump_json(config));
  Model model = load_model(out, {at::kFloat});
  const Attached attached = attach(model, FullConfig{}, {});
  const Batch batch = test::two_images();
  PassDropout dropout{model.spec().dropout, 1};
  at::Tensor stays = staying(dropout, 2, 2);
  while (stays.min().item<double>() == stays.max().item<double>()) {  // all stay or all go
    dropout.seed = *dropout.seed + 1;
    stays = staying(dropout, 2, 2);
  }
  const at::Tensor loss = model.net->loss(batch, dropout.seed) / 2.0;
  loss.backward();
  std::vector<NamedTensor> tensors{{"images", batch.images},
                                   {"labels", batch.document_targets.to(at::kFloat)},
                                   {"stays", stays},
                                   {"loss", loss.detach().reshape({1})}};
  for (const Trainable& each : attached.adapters.trainables()) {
    const std::string name = running_path(model.spec().running_names, each.name);
    tensors.push_back({"grad." + name, each.tensor.grad()});
  }
  const fs::path expected = out / "expected.safetensors";
  write_tensors(expected, tensors);
  return {{"name", "depth"},
          {"base", out.string()},
          {"labels", nullptr},
          {"adapter", ""},
          {"expected", expected.string()}};
}

// Also onto models without a head, which then is in the adapter's files; and merged.
TEST_F(VisionParity, TransformersAndPeftLoadWhatSvtuneWrites) {
  const TempDirectory out;
  Json cases = Json::array();
  for (const std::string family : {"vit", "dinov2", "dinov2_with_registers", "clip"}) {
    for (const bool bare : {false, true}) {
      const std::string base_name = family + (bare ? "-bare" : "");
      test::write_tiny_vision(out / base_name, {.family = family, .bare = bare});
      for (const Written& each : written()) {
        // The layers of the others are those of these two under other names.
        const bool all = family == "vit" || family == "dinov2";
        if (!all && each.name != "lora") continue;
        const std::string name = base_name + "-" + each.name;
        LoadOptions options{at::kFloat};
        if (bare) options.head = NewHead{.labels = 3, .seed = 2};
        Model model = load_model(out / base_name, options);
        const Attached attached = attach(model, each.method, each.targets, {.seed = 3});
        test::disturb(attached.adapters);
        save_adapter(model, attached.adapters, attached.record, out / name);
        merge_to_directory(model, attached.adapters, out / (name + "-merged"));
        const Batch batch = test::two_images(model.spec().image->registers);
        const fs::path expected = out / (name + ".safetensors");
        write_tensors(expected, {{"images", batch.images}, {"logits", logits_for(model, batch)}});
        cases.push_back({{"name", name},
                         {"base", (out / base_name).string()},
                         {"labels", bare ? Json(3) : Json(nullptr)},
                         {"adapter", (out / name).string()},
                         {"expected", expected.string()}});
        if (each.name != "lora") continue;
        cases.push_back({{"name", name + "-merged"},
                         {"base", (out / (name + "-merged")).string()},
                         {"labels", nullptr},
                         {"adapter", ""},
                         {"expected", expected.string()}});
      }
    }
  }
  cases.push_back(depth_case(out / "depth"));
  write_file_atomic(out / "cases.json", dump_json(cases));
  const std::string arguments = "check " + test::shell_quote((out / "cases.json").string());
  const Json result = parse_json(oracle(arguments), "oracle");
  EXPECT_EQ(result.size(), cases.size());
  for (const auto& [name, difference] : result.items()) {
    ASSERT_TRUE(difference.is_number()) << name << ": " << difference.dump();
    EXPECT_LT(difference.get<double>(), kTolerance) << name;
  }
}

}  // namespace image_parity_test
}  // namespace svtune
