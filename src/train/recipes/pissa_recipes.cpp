// PiSSA, "Principal Singular Values and Singular Vectors Adaptation of Large Language Models",
// arXiv 2404.02948: DeBERTaV3-base on GLUE (Table 10, figures from Table 3), and 7B decoders on
// MetaMathQA (appendix and the paper's scripts, figures from Table 2).
#include "train/recipes/recipe.h"

namespace svtune {
namespace {

constexpr char kPissa[] = "PiSSA 2404.02948";

struct PissaGlueTask {
  const char *key, *name, *task, *metric;
  std::int64_t epochs, batch;
  double rate, alpha, figure;
};

constexpr PissaGlueTask kPissaGlue[] = {
    {"mnli", "MNLI", "classify", "accuracy", 5, 16, 5e-4, 8, 90.37},
    {"sst2", "SST-2", "classify", "accuracy", 20, 16, 3e-5, 8, 96.22},
    {"mrpc", "MRPC", "classify", "accuracy", 20, 32, 2e-4, 8, 91.50},
    {"cola", "CoLA", "classify", "matthews", 20, 16, 1e-4, 8, 73.12},
    {"qnli", "QNLI", "classify", "accuracy", 10, 32, 1e-4, 16, 94.43},
    {"qqp", "QQP", "classify", "accuracy", 10, 16, 1e-4, 8, 92.33},
    {"rte", "RTE", "classify", "accuracy", 50, 16, 1e-4, 8, 88.69},
    {"stsb", "STS-B", "regress", "pearson", 20, 8, 3e-4, 8, 92.00},
};

Recipe glue_recipe(const PissaGlueTask& task) {
  Recipe recipe;
  recipe.name = std::string("pissa-glue-") + task.key;
  recipe.paper = kPissa;
  recipe.place = "Table 10, figure from Table 3";
  recipe.task = std::string("GLUE ") + task.name + ", PiSSA of rank 8";
  recipe.model = "DeBERTaV3-base, all linear layers";
  recipe.reads = RecipeModel::kTextEncoder;
  recipe.options = {
      {"task", task.task},          {"method", "pissa"},         {"rank", 8},
      {"alpha", task.alpha},        {"epochs", task.epochs},     {"batch_size", task.batch},
      {"learning_rate", task.rate}, {"gradient_accumulation", 1}};
  recipe.figures = {{task.name, task.metric, task.figure}};
  recipe.note = "The table says nothing of length, schedule and warm-up.";
  return recipe;
}

Recipe metamath_recipe() {
  Recipe recipe;
  recipe.name = "pissa-metamath";
  recipe.paper = kPissa;
  recipe.place = "Appendix, figures from Table 2";
  recipe.task = "MetaMathQA, its first 100,000 examples, PiSSA of rank 128";
  recipe.model = "LLaMA-2-7B, Mistral-7B or Gemma-7B, all linear layers";
  recipe.options = {{"method", "pissa"},     {"rank", 128},
                    {"alpha", 128},          {"svd", "fast"},
                    {"niter", 16},           {"template", "alpaca"},
                    {"max_length", 512},     {"epochs", 1},
                    {"batch_size", 4},       {"gradient_accumulation", 32},
                    {"learning_rate", 2e-5}, {"schedule", "cosine"},
                    {"warmup_ratio", 0.03},  {"weight_decay", 0.0}};
  recipe.figures = {
      {"GSM8K, LLaMA-2-7B", "exact_match", 53.22}, {"MATH, LLaMA-2-7B", "exact_match", 7.47},
      {"GSM8K, Mistral-7B", "exact_match", 73.31}, {"MATH, Mistral-7B", "exact_match", 23.12},
      {"GSM8K, Gemma-7B", "exact_match", 77.78},   {"MATH, Gemma-7B", "exact_match", 31.33}};
  recipe.note = "The paper's base is in bf16.";
  return recipe;
}

}  // namespace

std::vector<Recipe> pissa_recipes() {
  std::vector<Recipe> list;
  for (const PissaGlueTask& task : kPissaGlue) list.push_back(glue_recipe(task));
  list.push_back(metamath_recipe());
  return list;
}

}  // namespace svtune
