#include "train/recipes/recipe.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/errors.h"
#include "base/text_util.h"
#include "models/families.h"

namespace svtune {
namespace {

std::vector<Recipe> all_recipes() {
  std::vector<Recipe> all;
  for (std::vector<Recipe> list :
       {svft_glue_recipes(), svft_image_recipes(), svft_math_recipes(), pissa_recipes()}) {
    std::ranges::move(list, std::back_inserter(all));
  }
  return all;
}

// Up to three, nearest first.
std::vector<std::string> nearest_recipes(const std::string& name) {
  constexpr std::size_t kNames = 3;
  std::vector<std::string> left, nearest;
  for (const Recipe& each : recipes()) left.push_back(each.name);
  while (nearest.size() < kNames) {
    const std::string next = nearest_name(name, left);
    if (next.empty()) break;
    nearest.push_back(next);
    std::erase(left, next);
  }
  return nearest;
}

// What an input gives for the option, as text; empty where it gives none.
std::string given_name(const FieldInput& input) {
  if (input.from_text) return input.texts.empty() ? "" : input.texts.back();
  return input.json.is_string() ? input.json.get<std::string>() : "";
}

// The options of a file come before those of a recipe, and what a run has saved holds them all: of
// another recipe nothing but the name would be taken.
void require_recipe_of_files(const std::vector<FieldInput>& given, const std::string& name) {
  for (const FieldInput& input : given) {
    if (input.name != "recipe" || input.from_text) continue;
    const std::string own = given_name(input);
    if (own == name) continue;
    throw UsageError("--recipe " + name + " changes nothing: " + input.label + " is " +
                         (own.empty() ? "none" : "\"" + own + "\"") +
                         ", and the options of the file come before those of a recipe",
                     "Give the recipe without the file, or a file with those options alone that "
                     "are to replace the recipe's, without \"recipe\".");
  }
}

RecipeModel kind_of(const Family& family) {
  if (family.reads_images) return RecipeModel::kImageEncoder;
  return family.encoder_class.empty() ? RecipeModel::kDecoder : RecipeModel::kTextEncoder;
}

const char* text_of(RecipeModel kind) {
  switch (kind) {
    case RecipeModel::kDecoder:
      return "a decoder of text";
    case RecipeModel::kTextEncoder:
      return "an encoder of text";
    case RecipeModel::kImageEncoder:
      return "an encoder of images";
  }
  return "";
}

}  // namespace

const std::vector<Recipe>& recipes() {
  static const std::vector<Recipe> list = all_recipes();
  return list;
}

const Recipe& find_recipe(const std::string& name) {
  const auto found = std::ranges::find(recipes(), name, &Recipe::name);
  if (found != recipes().end()) return *found;
  const std::vector<std::string> nearest = nearest_recipes(name);
  throw UsageError("there is no recipe \"" + name + "\"",
                   nearest.empty()
                       ? "svtune recipes lists them."
                       : "Did you mean " + join(nearest, ", ") + "? svtune recipes lists all.");
}

std::vector<FieldInput> recipe_inputs(const std::vector<FieldInput>& given) {
  std::string name;
  for (const FieldInput& input : given) {
    if (input.name == "recipe") name = given_name(input);
  }
  if (name.empty()) return {};
  const Recipe& recipe = find_recipe(name);
  require_recipe_of_files(given, name);
  std::vector<FieldInput> inputs = json_inputs(recipe.options, "recipe " + recipe.name);
  for (FieldInput& input : inputs) input.preset = true;
  return inputs;
}

void check_recipe_model(const Recipe& recipe, const std::filesystem::path& model) {
  if (!std::filesystem::exists(model)) return;
  RecipeModel kind = RecipeModel::kDecoder;  // GGUF files hold no others
  if (std::filesystem::is_directory(model)) {
    const std::filesystem::path config = model / "config.json";
    if (!std::filesystem::exists(config)) return;
    const Family* family = family_of(read_json_file(config));
    if (family == nullptr) return;
    kind = kind_of(*family);
  }
  if (kind == recipe.reads) return;
  throw UsageError("--recipe " + recipe.name + " is for " + text_of(recipe.reads) + ", " +
                       model.string() + " is " + text_of(kind),
                   "svtune recipes " + recipe.name + " shows which model the paper trains.");
}

}  // namespace svtune
