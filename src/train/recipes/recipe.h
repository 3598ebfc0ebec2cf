// Experiments of papers as options of svtune train, with the figures that the papers report. What a
// paper does not set stays svtune's own; its note says so.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/fields.h"
#include "base/json.h"

namespace svtune {

// What a recipe's data are fed to.
enum class RecipeModel { kDecoder, kTextEncoder, kImageEncoder };

// One number of a paper, as it is printed: in per cent, a correlation times 100.
struct PaperFigure {
  std::string data;    // "CoLA"
  std::string metric;  // as metrics.jsonl calls it behind "eval_", or "exact_match"
  double value = 0;
};

struct Recipe {
  std::string name;   // "svft-glue-cola-plain"
  std::string paper;  // "SVFT 2405.19597"
  std::string place;  // "Table 11, figures from Table 3"
  std::string task;   // in words
  std::string model;  // that the paper trains
  RecipeModel reads = RecipeModel::kDecoder;
  Json options = Json::object();  // of svtune train, by their keys in --config
  std::vector<PaperFigure> figures;
  std::string note = {};
};

// Lists of one paper's experiments each.
std::vector<Recipe> svft_glue_recipes();
std::vector<Recipe> svft_math_recipes();
std::vector<Recipe> svft_image_recipes();
std::vector<Recipe> pissa_recipes();

const std::vector<Recipe>& recipes();
// Throws UsageError naming the nearest ones.
const Recipe& find_recipe(const std::string& name);

// The options of the recipe that the last input called "recipe" names, as presets; none without.
// Throws as find_recipe() does, and UsageError where a file among the inputs names another recipe
// or, as what a run has saved may, none.
std::vector<FieldInput> recipe_inputs(const std::vector<FieldInput>& given);

// Throws UsageError when the model in this directory or file reads something else than the recipe's
// data. A missing model and one of no known family are left to whoever loads them.
void check_recipe_model(const Recipe& recipe, const std::filesystem::path& model);

}  // namespace svtune
