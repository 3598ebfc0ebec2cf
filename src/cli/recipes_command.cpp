#include "cli/recipes_command.h"

#include <algorithm>

#include "base/number_text.h"
#include "base/text_util.h"
#include "train/recipes/recipe.h"
#include "train/run_options.h"

namespace svtune {
namespace {

std::string figure_text(const PaperFigure& figure) {
  return figure.data + " " + figure.metric + " " + fixed(figure.value, 2);
}

// The first figure, and how many follow.
std::string figures_text(const Recipe& recipe) {
  const std::size_t others = recipe.figures.size() - 1;
  const std::string first = figure_text(recipe.figures.front());
  return others == 0 ? first : first + " and " + std::to_string(others) + " more";
}

void list_recipes(std::ostream& out) {
  const auto width_of = [](const auto& text) {
    std::size_t width = 0;
    for (const Recipe& each : recipes()) width = std::max(width, text(each).size());
    return width;
  };
  const auto source = [](const Recipe& each) { return each.paper + ", " + each.place; };
  const std::size_t name = width_of([](const Recipe& each) { return each.name; });
  const std::size_t place = width_of(source);
  const std::size_t task = width_of([](const Recipe& each) { return each.task; });
  for (const Recipe& each : recipes()) {
    out << pad_right(each.name, name) << "  " << pad_right(source(each), place) << "  "
        << pad_right(each.task, task) << "  " << figures_text(each) << "\n";
  }
}

// As on the command line, in the order in which svtune help train has them.
void show_options(const Recipe& recipe, std::ostream& out) {
  std::vector<std::string> shown;
  for (const FieldInfo& info : describe_fields<TrainOptions>()) {
    const auto value = recipe.options.find(info.name);
    const bool again = std::ranges::count(shown, info.name) > 0;
    if (value == recipe.options.end() || again) continue;
    shown.push_back(info.name);
    const std::string flag = field_flag(info.name);
    if (value->is_boolean()) {
      out << "  " << (value->get<bool>() ? flag : "--no-" + flag.substr(2)) << "\n";
    } else {
      out << "  " << flag << " " << field_value_text(info, *value) << "\n";
    }
  }
}

void show_recipe(const Recipe& recipe, std::ostream& out) {
  out << recipe.name << "\nSource: " << recipe.paper << ", " << recipe.place
      << "\nTask: " << recipe.task << "\nModel: " << recipe.model << "\nOptions:\n";
  show_options(recipe, out);
  out << "Figures:\n";
  for (const PaperFigure& figure : recipe.figures) out << "  " << figure_text(figure) << "\n";
  if (!recipe.note.empty()) out << "Note: " << recipe.note << "\n";
  const bool images = recipe.reads == RecipeModel::kImageEncoder;
  out << "Run:\n  svtune train --recipe " << recipe.name << " --model DIR --data "
      << (images ? "DIR" : "FILE --eval-data FILE") << " --output RUN\n";
}

}  // namespace

int run(const RecipesOptions& options, CommandContext& context) {
  if (options.name.empty()) {
    list_recipes(context.out);
  } else {
    show_recipe(find_recipe(options.name), context.out);
  }
  return 0;
}

}  // namespace svtune
