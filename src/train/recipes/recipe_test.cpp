// Every recipe is a whole configuration with its source, and its figures are the paper's.
#include "train/recipes/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/errors.h"
#include "base/fields.h"
#include "libtorch/prelude.h"
#include "report/metrics_log.h"
#include "train/parameter_plan.h"
#include "train/recipes/recipe_report.h"
#include "train/run_options.h"

namespace svtune {
namespace recipe_test {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// As options of a file, which are refused where a preset would give way.
Json resolved(const Recipe& recipe) {
  TrainOptions options;
  assign_fields([&options] { return list_fields(options); },
                json_inputs(recipe.options, recipe.name), describe_fields<TrainOptions>());
  return fields_to_json(options);
}

TEST(Recipes, EachIsAConfigurationThatIsTakenAsItStands) {
  ASSERT_FALSE(recipes().empty());
  for (const Recipe& recipe : recipes()) {
    SCOPED_TRACE(recipe.name);
    Json options;
    ASSERT_NO_THROW(options = resolved(recipe));
    for (const auto& [key, value] : recipe.options.items()) {
      EXPECT_EQ(options.at(key), value) << key;
    }
    for (const char* key : {"method", "learning_rate", "epochs", "batch_size"}) {
      EXPECT_TRUE(recipe.options.contains(key)) << key;
    }
    const bool labels = options.at("task") != "language";
    EXPECT_EQ(labels, recipe.reads != RecipeModel::kDecoder);
  }
}

TEST(Recipes, EachHasANameASourceAndFigures) {
  std::set<std::string> metrics = {"exact_match"}, names;
  for (const MetricField& field : metric_fields()) {
    if (field.key.starts_with("eval_")) metrics.emplace(field.key.substr(5));
  }
  for (const Recipe& recipe : recipes()) {
    SCOPED_TRACE(recipe.name);
    EXPECT_THAT(recipe.name, MatchesRegex("[a-z0-9-]+"));
    EXPECT_TRUE(names.insert(recipe.name).second) << "twice";
    EXPECT_THAT(recipe.paper, MatchesRegex(".+ [0-9]+\\.[0-9]+"));
    EXPECT_THAT(recipe.place, HasSubstr("figure"));
    EXPECT_FALSE(recipe.task.empty() || recipe.model.empty() || recipe.figures.empty());
    for (const PaperFigure& figure : recipe.figures) {
      EXPECT_FALSE(figure.data.empty());
      EXPECT_TRUE(metrics.contains(figure.metric)) << figure.metric;
      EXPECT_TRUE(figure.value > 0 && figure.value < 100) << figure.value;
    }
  }
}

// The papers' tables print the averages of their rows.
TEST(Recipes, FiguresOfGlueHaveThePapersAverages) {
  const auto average = [](const std::string& begin, const std::string& end) {
    double sum = 0;
    int tasks = 0;
    for (const Recipe& recipe : recipes()) {
      if (!recipe.name.starts_with(begin) || !recipe.name.ends_with(end)) continue;
      sum += recipe.figures.at(0).value;
      ++tasks;
    }
    EXPECT_EQ(tasks, 8);
    return sum / tasks;
  };
  EXPECT_NEAR(average("svft-glue-", "-plain"), 88.54, 0.005);
  EXPECT_NEAR(average("svft-glue-", "-random"), 89.10, 0.005);
  EXPECT_NEAR(average("pissa-glue-", ""), 89.83, 0.005);
}

// DeBERTaV3-base and ViT-B/16 by their configurations.
Json deberta() {
  const Json head = Json::array({"DebertaV2ForSequenceClassification"});
  return {{"model_type", "deberta-v2"},   {"architectures", head},
          {"hidden_size", 768},           {"intermediate_size", 3072},
          {"num_hidden_layers", 12},      {"num_attention_heads", 12},
          {"vocab_size", 128100},         {"max_position_embeddings", 512},
          {"type_vocab_size", 0},         {"hidden_act", "gelu"},
          {"relative_attention", true},   {"position_buckets", 256},
          {"max_relative_positions", -1}, {"norm_rel_ebd", "layer_norm"},
          {"share_att_key", true},        {"pos_att_type", "p2c|c2p"},
          {"layer_norm_eps", 1e-7},       {"position_biased_input", false}};
}

Json vit() {
  const Json head = Json::array({"ViTForImageClassification"});
  return {{"model_type", "vit"},       {"architectures", head},   {"hidden_size", 768},
          {"intermediate_size", 3072}, {"num_hidden_layers", 12}, {"num_attention_heads", 12},
          {"image_size", 224},         {"patch_size", 16},        {"num_labels", 100},
          {"hidden_act", "gelu"}};
}

// What the adapters of the blocks train; a head that the checkpoint lacks is none of them.
std::int64_t adapter_parameters(const Json& config, const std::string& recipe) {
  TrainOptions options;
  fields_from_json(options, find_recipe(recipe).options, recipe);
  const ParameterPlan plan =
      plan_parameters(config, recipe, options.method, options.targets, {.dtype = at::kFloat});
  std::int64_t sum = 0;
  for (const AdaptedLayer& layer : plan.start.layers) {
    if (layer.name.find(".layer.") != std::string::npos) sum += layer.trainable;
  }
  return sum;
}

// The papers' tables print .06M, .28M and 1.33M; 18.5K, .28M, .50M, .94M, .16M, 1.32M, .25M, 1.41M
// and 24.6K. BOFT's are counted there in two ways.
TEST(Recipes, AdaptersHaveAsManyParametersAsThePapersSay) {
  EXPECT_EQ(adapter_parameters(deberta(), "svft-glue-rte-plain"), 55296);
  EXPECT_EQ(adapter_parameters(deberta(), "svft-glue-rte-random"), 276048);
  EXPECT_EQ(adapter_parameters(deberta(), "pissa-glue-rte"), 1327104);
  EXPECT_EQ(adapter_parameters(vit(), "svft-vit-b-plain"), 18432);
  EXPECT_EQ(adapter_parameters(vit(), "svft-vit-b-d2"), 276048);
  EXPECT_EQ(adapter_parameters(vit(), "svft-vit-b-d4"), 496224);
  EXPECT_EQ(adapter_parameters(vit(), "svft-vit-b-d8"), 934848);
  EXPECT_EQ(adapter_parameters(vit(), "svft-vit-b-lora-r1"), 165888);
  EXPECT_EQ(adapter_parameters(vit(), "svft-vit-b-lora-r8"), 1327104);
  EXPECT_EQ(adapter_parameters(vit(), "svft-vit-b-dora-r1"), 248832);
  EXPECT_EQ(adapter_parameters(vit(), "svft-vit-b-dora-r8"), 1410048);
  EXPECT_EQ(adapter_parameters(vit(), "svft-vit-b-vera"), 24576);
}

TEST(Recipes, TheReportShowsFiguresOfTheSameMetricSideBySide) {
  MetricPoint first, second;
  first.step = 10;
  first.eval_matthews = 0.7;
  second.step = 20;
  second.eval_matthews = 0.6;
  const Recipe& cola = find_recipe("svft-glue-cola-plain");
  const auto value = [&](std::optional<std::int64_t> step) {
    const std::vector<ReportFact> facts = paper_facts(cola, {first, second}, step);
    EXPECT_EQ(facts.size(), 1u);
    EXPECT_EQ(facts.at(0).label, "Paper: matthews");
    return facts.at(0).value;
  };
  EXPECT_EQ(value(std::nullopt), "70.95 (CoLA); here 60.00");
  EXPECT_EQ(value(10), "70.95 (CoLA); here 70.00");
  const auto math = paper_facts(find_recipe("svft-math-gemma-2b-plain"), {first}, std::nullopt);
  ASSERT_EQ(math.size(), 1u);
  EXPECT_EQ(math[0].value, "40.34 (GSM8K), 14.38 (MATH)");
  EXPECT_THAT(recipe_fact(cola).value, HasSubstr("SVFT 2405.19597, Table 11"));
}

}  // namespace recipe_test
}  // namespace svtune
