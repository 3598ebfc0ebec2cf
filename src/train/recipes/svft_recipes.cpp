// SVFT, "Parameter-Efficient Fine-Tuning with Singular Vectors", arXiv 2405.19597: DeBERTaV3-base
// on GLUE (Table 11, figures from Table 3) and decoders on MetaMathQA-40K (Table 12, figures from
// Table 1).
#include "train/recipes/recipe.h"

namespace svtune {
namespace {

constexpr char kSvft[] = "SVFT 2405.19597";

// A column of Table 11 and of Table 3. SVFT_P is plain, SVFT_R random with d = 2.
struct SvftGlueTask {
  const char *key, *name, *task, *metric;
  std::int64_t max_length, epochs;
  std::int64_t plain_batch;
  double plain_rate, plain_figure;
  std::int64_t random_batch;
  double random_rate, random_figure;
};

constexpr SvftGlueTask kSvftGlue[] = {
    {"mnli", "MNLI", "classify", "accuracy", 256, 10, 32, 5e-2, 89.69, 32, 1e-2, 89.97},
    {"sst2", "SST-2", "classify", "accuracy", 128, 10, 32, 5e-2, 95.41, 32, 1e-2, 95.99},
    {"mrpc", "MRPC", "classify", "accuracy", 320, 30, 16, 5e-2, 88.77, 16, 1e-2, 88.99},
    {"cola", "CoLA", "classify", "matthews", 64, 20, 16, 8e-2, 70.95, 16, 1e-2, 72.61},
    {"qnli", "QNLI", "classify", "accuracy", 512, 10, 32, 8e-2, 94.27, 32, 3e-2, 93.90},
    {"qqp", "QQP", "classify", "accuracy", 320, 6, 16, 5e-2, 90.16, 32, 1e-2, 91.50},
    {"rte", "RTE", "classify", "accuracy", 320, 15, 4, 5e-2, 87.24, 16, 3e-2, 88.09},
    {"stsb", "STS-B", "regress", "pearson", 128, 15, 32, 5e-2, 91.80, 32, 1e-2, 91.73},
};

Recipe glue_recipe(const SvftGlueTask& task, bool plain) {
  Recipe recipe;
  recipe.name = std::string("svft-glue-") + task.key + (plain ? "-plain" : "-random");
  recipe.paper = kSvft;
  recipe.place = "Table 11, figure from Table 3";
  recipe.task = std::string("GLUE ") + task.name + ", SVFT " + (plain ? "plain" : "random, d = 2");
  recipe.model = "DeBERTaV3-base, all linear layers of its blocks";
  recipe.reads = RecipeModel::kTextEncoder;
  recipe.options = {
      {"task", task.task}, {"method", "svft"}, {"pattern", plain ? "plain" : "random"}};
  if (!plain) recipe.options["bandwidth"] = 2;
  recipe.options.update({{"max_length", task.max_length},
                         {"epochs", task.epochs},
                         {"batch_size", plain ? task.plain_batch : task.random_batch},
                         {"gradient_accumulation", 1},
                         {"learning_rate", plain ? task.plain_rate : task.random_rate},
                         {"head_learning_rate", 6e-3},
                         {"schedule", "linear"},
                         {"warmup_ratio", 0.1}});
  recipe.figures = {{task.name, task.metric, plain ? task.plain_figure : task.random_figure}};
  recipe.note = "The paper names no weight decay; MNLI's accuracy is that of the matched part.";
  return recipe;
}

// A column of Table 12 and of Table 1.
struct MathModel {
  const char *key, *name;
  std::int64_t bandwidth;  // of the random pattern
  double plain_gsm8k, plain_math, random_gsm8k, random_math;
  bool attention_inputs;  // q_proj, k_proj and v_proj are adapted too
};

constexpr MathModel kMath[] = {
    {"gemma-2b", "Gemma-2B", 16, 40.34, 14.38, 50.03, 15.56, true},
    {"gemma-7b", "Gemma-7B", 16, 73.50, 27.30, 76.81, 29.98, true},
    {"llama-3-8b", "LLaMA-3-8B", 12, 69.22, 20.44, 75.90, 24.22, false},
};

Recipe math_recipe(const MathModel& model, bool plain) {
  Recipe recipe;
  recipe.name = std::string("svft-math-") + model.key + (plain ? "-plain" : "-random");
  recipe.paper = kSvft;
  recipe.place = "Table 12, figures from Table 1";
  recipe.task = std::string("MetaMathQA-40K, SVFT ") + (plain ? "plain" : "random, d = ") +
                (plain ? "" : std::to_string(model.bandwidth));
  recipe.model = model.name;
  recipe.options = {{"method", "svft"}, {"pattern", plain ? "plain" : "random"}};
  if (!plain) recipe.options["bandwidth"] = model.bandwidth;
  if (!model.attention_inputs) {
    recipe.options["target_modules"] = Json::array({"up_proj", "down_proj", "o_proj", "gate_proj"});
  }
  recipe.options.update({{"template", "alpaca"},
                         {"max_length", 512},
                         {"epochs", 2},
                         {"batch_size", 4},
                         {"gradient_accumulation", 16},
                         {"learning_rate", plain ? 5e-2 : 1e-3},
                         {"schedule", "cosine"},
                         {"warmup_ratio", 0.1}});
  recipe.figures = {{"GSM8K", "exact_match", plain ? model.plain_gsm8k : model.random_gsm8k},
                    {"MATH", "exact_match", plain ? model.plain_math : model.random_math}};
  recipe.note = "The paper's own script trains the random pattern at 5e-2.";
  return recipe;
}

}  // namespace

std::vector<Recipe> svft_glue_recipes() {
  std::vector<Recipe> list;
  for (const SvftGlueTask& task : kSvftGlue) {
    for (const bool plain : {true, false}) list.push_back(glue_recipe(task, plain));
  }
  return list;
}

std::vector<Recipe> svft_math_recipes() {
  std::vector<Recipe> list;
  for (const MathModel& model : kMath) {
    for (const bool plain : {true, false}) list.push_back(math_recipe(model, plain));
  }
  return list;
}

}  // namespace svtune
