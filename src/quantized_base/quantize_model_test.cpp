// Quantised bases and their adapters: what is written, read again, refused; and against
// transformers, PEFT and bitsandbytes.
#include "quantized_base/quantize_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "adapter_files/adapter_file.h"
#include "attach/attach.h"
#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "io/safetensors_source.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"
#include "merge/merge.h"

namespace svtune {
namespace quantize_model_test {

using test::TempDirectory;
using ::testing::HasSubstr;

QuantizePlan plan_of(QuantStart start, QuantType type = QuantType::kNf4) {
  QuantizePlan plan;
  plan.start = start;
  plan.type = type;
  plan.low_rank.rank = 4;
  plan.low_rank.alpha = 8;
  return plan;
}

class QuantizeModel : public testing::Test {
 protected:
  Model dense(const test::TinyModel& tiny = {}) {
    test::write_tiny_model(directory_ / "model", tiny);
    return load_model(directory_ / "model");
  }
  QuantizeReport quantize_into(const std::string& name, const QuantizePlan& plan) {
    Model model = dense();
    return quantize_model(model, plan, directory_ / name);
  }
  TempDirectory directory_;
};

// Distance of a base with its adapter from the dense model, per layer and relative.
double distance(Model& dense, Model& other) {
  double worst = 0;
  const std::vector<Linear*> a = dense.net->linears(), b = other.net->linears();
  for (std::size_t i = 0; i < a.size(); ++i) {
    const at::Tensor weight = a[i]->effective_weight();
    const double size = weight.norm().item<double>();
    worst = std::max(worst, (b[i]->effective_weight() - weight).norm().item<double>() / size);
  }
  return worst;
}

TEST_F(QuantizeModel, TheErrorReportedIsThatOfTheFiles) {
  Model model = dense();
  QuantizePlan plan = plan_of(QuantStart::kQpissa);
  const QuantizeReport report = quantize_model(model, plan, directory_ / "q");
  Model base = load_model(directory_ / "q" / "base");
  load_adapter(base, directory_ / "q" / "adapter");
  ASSERT_EQ(report.layers.size(), model.net->linears().size() - 1);
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    const at::Tensor rest =
        model.net->linears()[i]->effective_weight() - base.net->linears()[i]->effective_weight();
    // fp32 sums over the factors' product and its division by the scaling.
    EXPECT_NEAR(rest.norm().item<double>(), report.layers[i].frobenius,
                1e-4 * report.layers[i].frobenius);
    EXPECT_LT(report.layers[i].frobenius, report.layers[i].plain_frobenius);
  }
}

// Square ones among them: a matrix the wrong way round would pass for another one.
TEST_F(QuantizeModel, MatricesStoredTheOtherWayRoundAreQuantisedAsTheyCompute) {
  Model model = dense({.family = "gpt2", .tied = true});
  quantize_model(model, plan_of(QuantStart::kQpissa), directory_ / "q");
  Model base = load_model(directory_ / "q" / "base");
  load_adapter(base, directory_ / "q" / "adapter");
  EXPECT_LT(distance(model, base), 0.2);  // NF4 is wrong by about 0.1 of such matrices
}

TEST_F(QuantizeModel, LowRankPartsBringTheModelNearer) {
  Model model = dense();
  const auto error_of = [&](QuantStart start) {
    const QuantizeReport report =
        quantize_into("d" + std::to_string(static_cast<int>(start)), plan_of(start));
    double sum = 0;
    for (const QuantizedLayer& layer : report.layers) sum += layer.frobenius;
    return sum;
  };
  const double plain = error_of(QuantStart::kNone);
  EXPECT_LT(error_of(QuantStart::kLoftq), 0.97 * plain);
  EXPECT_LT(error_of(QuantStart::kQpissa), 0.97 * plain);
}

TEST_F(QuantizeModel, HeadEmbeddingAndNormsStayAsTheyAre) {
  Model model = dense({.family = "llama"});
  quantize_into("q", plan_of(QuantStart::kNone, QuantType::kInt8));
  Model base = load_model(directory_ / "q" / "base");
  EXPECT_EQ(base.warnings, std::vector<std::string>{});
  EXPECT_TRUE(at::equal(base.net->head().base().dense(), model.net->head().base().dense()));
  const auto before = model.net->parameters(), after = base.net->parameters();
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(at::equal(*before[i].tensor, *after[i].tensor)) << before[i].name;
  }
  for (const Linear* layer : base.net->linears()) {
    EXPECT_EQ(layer->base().quantized() != nullptr, layer != &base.net->head());
  }
  EXPECT_LT(distance(model, base), 0.02);  // 8 bits: a step of 1/127 of the row's largest
}

TEST_F(QuantizeModel, MergingWritesADenseModel) {
  quantize_into("q", plan_of(QuantStart::kQpissa));
  Model base = load_model(directory_ / "q" / "base");
  const LoadedAdapter loaded = load_adapter(base, directory_ / "q" / "adapter");
  merge_to_directory(base, loaded.adapters, directory_ / "merged");
  Model merged = load_model(directory_ / "merged");
  EXPECT_EQ(merged.net->linears()[0]->base().quantized(), nullptr);
  // fp32 weights, one rounding each.
  EXPECT_LT(test::max_difference(test::logits_of(merged), test::logits_of(base)), 1e-4);
}

TEST_F(QuantizeModel, SpreadRanksCostNoMoreParameters) {
  QuantizePlan plan = plan_of(QuantStart::kQpissa);
  plan.low_rank.alpha.reset();
  plan.tuning.spread_ranks = true;
  const QuantizeReport report = quantize_into("spread", plan);
  std::int64_t spent = 0, allowed = 0;
  std::set<std::int64_t> ranks;
  for (const QuantizedLayer& layer : report.layers) {
    spent += layer.rank * (layer.out_features + layer.in_features);
    allowed += plan.low_rank.rank * (layer.out_features + layer.in_features);
    ranks.insert(layer.rank);
  }
  EXPECT_LE(spent, allowed);
  EXPECT_GT(ranks.size(), 1u);
  Model base = load_model(directory_ / "spread" / "base");
  const LoadedAdapter loaded = load_adapter(base, directory_ / "spread" / "adapter");
  EXPECT_EQ(loaded.adapters.num_trainable(), spent);
  plan.low_rank.rank_pattern = {{"q_proj", 2}};
  EXPECT_THROW(quantize_into("both", plan), UsageError);
}

TEST_F(QuantizeModel, KeepsTheDtypeOfTheModel) {
  Model model = dense({.dtype = at::kBFloat16});
  quantize_model(model, plan_of(QuantStart::kQpissa), directory_ / "q");
  Model base = load_model(directory_ / "q" / "base", {at::kFloat});
  EXPECT_EQ(base.weights->stored_dtype(), at::kBFloat16);
  const LoadedAdapter loaded = load_adapter(base, directory_ / "q" / "adapter");
  EXPECT_EQ(merge_to_directory(base, loaded.adapters, directory_ / "merged").dtype, at::kBFloat16);
}

TEST_F(QuantizeModel, AdapterIsRefusedOnAnotherQuantisation) {
  QuantizePlan plan = plan_of(QuantStart::kQpissa);
  quantize_into("first", plan);
  plan.tuning.iters = 1;
  quantize_into("second", plan);
  Model other = load_model(directory_ / "second" / "base");
  EXPECT_NO_THROW(load_adapter(other, directory_ / "second" / "adapter"));
  Model wrong = load_model(directory_ / "second" / "base");
  EXPECT_THROW(load_adapter(wrong, directory_ / "first" / "adapter"), ModelError);
}

TEST_F(QuantizeModel, RefusesWhatCannotBe) {
  quantize_into("q", plan_of(QuantStart::kNone));
  Model base = load_model(directory_ / "q" / "base");
  const auto message = [&](auto&& work) {
    try {
      work();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("nothing was thrown");
  };
  EXPECT_THAT(
      message([&] { quantize_model(base, plan_of(QuantStart::kNone), directory_ / "again"); }),
      HasSubstr("quantised already"));
  EXPECT_THAT(message([&] { attach(base, PissaConfig{}, {.target_modules = {"q_proj"}}); }),
              HasSubstr("self_attn.q_proj: PiSSA takes its start"));
  EXPECT_THAT(message([&] { attach(base, FullConfig{}, {}); }),
              HasSubstr("cannot train as a whole"));
  QuantizePlan plan = plan_of(QuantStart::kQpissa);
  plan.low_rank.rank = 17;
  EXPECT_THAT(message([&] { quantize_into("rank", plan); }), HasSubstr("k_proj: rank 17"));
  plan = plan_of(QuantStart::kNone, QuantType::kInt8);
  plan.tuning.double_quant = true;
  EXPECT_THAT(message([&] { quantize_into("int8", plan); }), HasSubstr("--double-quant"));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "rank"));
}

TEST_F(QuantizeModel, DamagedFilesAreNamed) {
  quantize_into("q", plan_of(QuantStart::kNone));
  const std::filesystem::path config = directory_ / "q" / "base" / "config.json";
  Json json = read_json_file(config);
  json["quantization_config"]["quant_method"] = "gptq";
  write_file_atomic(config, dump_json(json));
  try {
    load_model(directory_ / "q" / "base");
    FAIL() << "a quantisation of another kind was read";
  } catch (const FileError& error) {
    EXPECT_THAT(error.what(), HasSubstr("gptq"));
  }
}

// bitsandbytes' dequantisation on the CPU is wrong where rows are no whole number of blocks.
constexpr std::int64_t kWholeBlocks = 64;

// The oracle computes in fp32 as well; sums run in another order.
constexpr double kTolerance = 2e-5;

std::string run_cases(const std::string& python, const std::string& arguments) {
  return test::run_oracle_file(python, "quantized_models.py", arguments);
}

TEST(QuantizedModelOracle, TransformersAndPeftLoadWhatSvtuneWrites) {
  const std::string python = test::oracle_python("peft,transformers,bitsandbytes");
  if (python.empty()) GTEST_SKIP() << "no Python with peft, transformers and bitsandbytes";
  TempDirectory directory;
  Json cases = Json::array();
  for (const std::string family : {"llama", "qwen2"}) {
    test::write_tiny_model(
        directory / family,
        {.family = family, .tied = family == "qwen2", .hidden_size = kWholeBlocks});
    for (const auto& [name, start, type, nested] :
         {std::tuple{"nf4", QuantStart::kNone, QuantType::kNf4, false},
          std::tuple{"nested", QuantStart::kNone, QuantType::kNf4, true},
          std::tuple{"fp4", QuantStart::kNone, QuantType::kFp4, false},
          std::tuple{"int8", QuantStart::kNone, QuantType::kInt8, false},
          std::tuple{"qpissa", QuantStart::kQpissa, QuantType::kNf4, false},
          std::tuple{"loftq", QuantStart::kLoftq, QuantType::kNf4, false}}) {
      const std::string full_name = family + "-" + name;
      QuantizePlan plan = plan_of(start, type);
      plan.tuning.double_quant = nested;
      Model model = load_model(directory / family);
      const QuantizeReport report = quantize_model(model, plan, directory / full_name);
      Model base = load_model(directory / full_name / "base");
      if (report.has_adapter) load_adapter(base, directory / full_name / "adapter");
      const std::filesystem::path logits = directory / (full_name + ".safetensors");
      write_tensors(logits, {{"logits", test::logits_of(base)}});
      cases.push_back(
          {{"name", full_name},
           {"base", (directory / full_name / "base").string()},
           {"adapter", report.has_adapter ? Json((directory / full_name / "adapter").string())
                                          : Json(nullptr)},
           {"logits", logits.string()}});
    }
  }
  const std::filesystem::path list = directory / "cases.json";
  write_file_atomic(list, dump_json(cases));
  const Json result =
      parse_json(run_cases(python, "check " + test::shell_quote(list.string())), "oracle");
  ASSERT_EQ(result.size(), 12u);
  for (const auto& [name, difference] : result.items()) {
    ASSERT_TRUE(difference.is_number()) << name << ": " << difference.dump();
    EXPECT_LT(difference.get<double>(), kTolerance) << name;
  }
}

TEST(QuantizedModelOracle, ReadsWhatTransformersWrites) {
  const std::string python = test::oracle_python("transformers,bitsandbytes");
  if (python.empty()) GTEST_SKIP() << "no Python with transformers and bitsandbytes";
  TempDirectory directory;
  test::write_tiny_model(directory / "model", {.hidden_size = kWholeBlocks});
  std::istringstream names(run_cases(python, "write " + test::shell_quote(directory.path()) + " " +
                                                 test::shell_quote(directory / "model")));
  std::string name;
  int count = 0;
  while (std::getline(names, name)) {
    SCOPED_TRACE(name);
    Model model = load_model(directory / name, {at::kFloat});
    EXPECT_NE(model.net->linears()[0]->base().quantized(), nullptr);
    const at::Tensor expected =
        *SafetensorsSource(directory / (name + ".safetensors")).read("logits", at::kFloat);
    EXPECT_LT(test::max_difference(test::logits_of(model), expected), kTolerance);
    ++count;
  }
  EXPECT_EQ(count, 5);
}

}  // namespace quantize_model_test
}  // namespace svtune
