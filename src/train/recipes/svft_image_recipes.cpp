// SVFT's vision experiments, arXiv 2405.19597: ViT-B/16 and ViT-L/16 learn four sets of images from
// ten of each class (Table 14, figures from Table 9). The other methods' rates and options are
// those of the paper's scripts, and the alpha of LoRA and DoRA is PEFT's default there.
#include "train/recipes/recipe.h"

namespace svtune {
namespace {

enum class Targets { kQueryValue, kSix, kNone };

// A row of Table 9: its accuracies on the sets of `kSets`, of either model.
struct Row {
  const char *key, *name;
  Json method;  // with its options
  double rate;
  Targets targets;
  double base[4], large[4];
};

constexpr const char* kSets[] = {"CIFAR100", "Flowers102", "Food101", "Resisc45"};

Json svft(std::int64_t bandwidth) {
  return {{"method", "svft"}, {"pattern", "banded"}, {"bandwidth", bandwidth}};
}

Json low_rank(const char* method, std::int64_t rank) {
  return {{"method", method}, {"rank", rank}, {"alpha", 8}, {"dropout", 0.1}};
}

Json boft(std::int64_t size) {
  return {{"method", "boft"},
          {"block_size", size},
          {"butterfly_factors", size},
          {"block_dropout", 0.1},
          {"bias", "lora_only"}};
}

std::vector<Row> svft_rows() {
  const Json plain = {{"method", "svft"}, {"pattern", "plain"}};
  return {{"plain",
           "SVFT plain",
           plain,
           5e-2,
           Targets::kQueryValue,
           {83.85, 98.93, 75.68, 67.19},
           {86.74, 97.56, 75.95, 71.97}},
          {"d2",
           "SVFT banded, d = 2",
           svft(2),
           5e-2,
           Targets::kSix,
           {84.72, 99.28, 75.64, 72.49},
           {86.59, 98.24, 77.94, 79.70}},
          {"d4",
           "SVFT banded, d = 4",
           svft(4),
           5e-3,
           Targets::kSix,
           {83.17, 98.52, 76.54, 66.65},
           {87.10, 97.71, 76.67, 71.10}},
          {"d8",
           "SVFT banded, d = 8",
           svft(8),
           5e-3,
           Targets::kSix,
           {85.69, 98.88, 76.70, 70.41},
           {87.26, 97.89, 78.36, 73.83}}};
}

std::vector<Row> low_rank_rows() {
  return {{"lora-r1",
           "LoRA of rank 1",
           low_rank("lora", 1),
           4e-3,
           Targets::kSix,
           {84.86, 96.88, 73.35, 76.33},
           {85.97, 98.28, 75.97, 78.02}},
          {"lora-r8",
           "LoRA of rank 8",
           low_rank("lora", 8),
           4e-3,
           Targets::kSix,
           {84.41, 99.23, 76.02, 76.86},
           {86.00, 97.93, 77.13, 79.62}},
          {"dora-r1",
           "DoRA of rank 1",
           low_rank("dora", 1),
           4e-3,
           Targets::kSix,
           {84.46, 99.15, 74.80, 77.06},
           {84.06, 98.11, 75.90, 78.02}},
          {"dora-r8",
           "DoRA of rank 8",
           low_rank("dora", 8),
           4e-3,
           Targets::kSix,
           {85.03, 99.30, 75.88, 76.95},
           {83.55, 98.00, 76.41, 78.32}}};
}

std::vector<Row> other_method_rows() {
  const Json vera = {{"method", "vera"}, {"rank", 256}, {"dropout", 0.1}};
  const Json head = {{"method", "full"}, {"part", "head"}};
  const Json full = {{"method", "full"}, {"part", "all"}};
  return {{"boft-b2m2",
           "BOFT, b = m = 2",
           boft(2),
           4e-3,
           Targets::kQueryValue,
           {85.55, 98.54, 76.06, 67.70},
           {87.84, 97.95, 77.90, 73.97}},
          {"boft-b4m4",
           "BOFT, b = m = 4",
           boft(4),
           4e-3,
           Targets::kQueryValue,
           {85.54, 98.59, 76.51, 69.44},
           {87.72, 97.95, 78.42, 74.70}},
          {"vera",
           "VeRA of rank 256",
           vera,
           2e-2,
           Targets::kQueryValue,
           {83.38, 98.59, 75.99, 70.43},
           {86.77, 98.94, 75.97, 72.44}},
          {"full",
           "all weights",
           full,
           4e-5,
           Targets::kNone,
           {85.35, 98.37, 76.32, 68.03},
           {86.56, 97.87, 77.83, 76.83}},
          {"head",
           "the head alone",
           head,
           4e-3,
           Targets::kNone,
           {78.25, 98.42, 74.93, 59.95},
           {82.95, 98.75, 75.57, 64.10}}};
}

Recipe recipe_of(const Row& row, bool large) {
  constexpr double kHeadRate = 4e-3;
  Recipe recipe;
  recipe.name = std::string("svft-vit-") + (large ? "l-" : "b-") + row.key;
  recipe.paper = "SVFT 2405.19597";
  recipe.place = "Table 14 and scripts, figures from Table 9";
  recipe.task = std::string("Ten images of each class, ") + row.name;
  recipe.model = large ? "ViT-L/16 of ImageNet-21k" : "ViT-B/16 of ImageNet-21k";
  recipe.reads = RecipeModel::kImageEncoder;
  recipe.options = {{"task", "classify"}};
  recipe.options.update(row.method);
  recipe.options.update({{"learning_rate", row.rate},
                         {"epochs", 10},
                         {"batch_size", 64},
                         {"gradient_accumulation", 1},
                         {"schedule", "linear"},
                         {"warmup_ratio", 0.1},
                         {"weight_decay", 0.01},
                         {"shots", 10},
                         {"eval_shots", 2},
                         {"eval_each_epoch", true},
                         {"keep_best", "accuracy"}});
  if (row.rate != kHeadRate) recipe.options["head_learning_rate"] = kHeadRate;
  Json& targets = recipe.options["target_modules"] = Json::array({"query", "value"});
  if (row.targets == Targets::kSix) {
    targets = Json::array({"query", "key", "value", "intermediate.dense", "output.dense"});
  } else if (row.targets == Targets::kNone) {
    recipe.options.erase("target_modules");
  }
  for (std::size_t i = 0; i < 4; ++i) {
    recipe.figures.push_back({kSets[i], "accuracy", large ? row.large[i] : row.base[i]});
  }
  recipe.note =
      "The paper measures on the whole test sets. Two images of each class choose the epoch; those "
      "of Flowers102 and Resisc45 come from the sets' validation parts (--eval-data).";
  return recipe;
}

}  // namespace

std::vector<Recipe> svft_image_recipes() {
  std::vector<Recipe> list;
  for (const bool large : {false, true}) {
    for (const std::vector<Row>& rows : {svft_rows(), low_rank_rows(), other_method_rows()}) {
      for (const Row& row : rows) list.push_back(recipe_of(row, large));
    }
  }
  return list;
}

}  // namespace svtune
