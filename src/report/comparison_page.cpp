#include "report/comparison_page.h"

#include <algorithm>
#include <cmath>

#include "base/number_text.h"
#include "base/text_util.h"
#include "report/html.h"
#include "report/plot.h"
#include "report/static_page.h"

namespace svtune {
namespace {

void add(ComparedKind& kind, const UpdateFigures& figures) {
  const auto count = static_cast<double>(++kind.layers);
  const auto move = [&](double& mean, double value) { mean += (value - mean) / count; };
  UpdateFigures& mean = kind.mean;
  for (double UpdateShares::* part :
       {&UpdateShares::leading, &UpdateShares::principal, &UpdateShares::medium,
        &UpdateShares::minor, &UpdateShares::outside, &UpdateShares::relative_norm}) {
    move(mean.shares.*part, figures.shares.*part);
  }
  move(mean.effective_rank, figures.effective_rank);
  move(mean.drift, figures.drift);
  mean.intruders += figures.intruders;
  mean.cosines = {std::min(mean.lowest_cosine(), figures.lowest_cosine())};
}

std::string figure_heads(const ComparisonInput& input) {
  return head_cells({"‖ΔW‖ / ‖W‖", "Effective rank", "First " + std::to_string(input.rank),
                     "Principal", "Medium", "Minor", "Outside", "Intruders", "Lowest cosine",
                     "Drift of σ"}) +
         "<th>Thirds</th>";
}

std::string figure_cells(const UpdateFigures& figures) {
  const UpdateShares& shares = figures.shares;
  std::string out = number_cell(percent_text(shares.relative_norm)) +
                    number_cell(fixed(figures.effective_rank, 1));
  for (const double share :
       {shares.leading, shares.principal, shares.medium, shares.minor, shares.outside}) {
    out += number_cell(percent_text(share));
  }
  return out + number_cell(std::to_string(figures.intruders)) +
         number_cell(fixed(figures.lowest_cosine(), 3)) + number_cell(percent_text(figures.drift)) +
         "<td>" + share_bar(shares) + "</td>";
}

std::string row_head(std::size_t colour, const std::string& name) {
  return "<tr><th scope=\"row\">" + swatch(colour) + "<code>" + escape_html(name) + "</code></th>";
}

std::string totals_table(const ComparisonInput& input) {
  std::string rows;
  for (std::size_t a = 0; a < input.adapters.size(); ++a) {
    const ComparedKind total = compared_total(input.layers, a);
    rows += row_head(a, input.adapters[a]) + number_cell(std::to_string(total.layers)) +
            figure_cells(total.mean) + "</tr>";
  }
  return table("<th>Adapter</th>" + head_cells({"Weights"}) + figure_heads(input), rows);
}

std::string kinds_table(const ComparisonInput& input, std::size_t adapter) {
  std::string rows;
  for (const ComparedKind& kind : compared_kinds(input.layers, adapter)) {
    rows += row_head(adapter, kind.name) + number_cell(std::to_string(kind.layers)) +
            figure_cells(kind.mean) + "</tr>";
  }
  return "<h3>" + escape_html(input.adapters[adapter]) + "</h3>" +
         table("<th>Weight</th>" + head_cells({"Layers"}) + figure_heads(input), rows);
}

std::string layers_list(const ComparisonInput& input) {
  std::string rows;
  for (const ComparedLayer& layer : input.layers) {
    for (std::size_t a = 0; a < layer.updates.size(); ++a) {
      if (!layer.updates[a]) continue;
      rows += row_head(a, layer.name) + figure_cells(*layer.updates[a]) + "</tr>";
    }
  }
  return "<details class=\"list\"><summary>All weights one by one</summary>" +
         table("<th>Weight</th>" + figure_heads(input), rows) + "</details>";
}

// One line for each adapter over the weights in the model's order.
template <class Value>
std::vector<PlotLine> lines_of(const ComparisonInput& input, const Value& value) {
  std::vector<PlotLine> lines;
  for (std::size_t a = 0; a < input.adapters.size(); ++a) {
    PlotLine line{a, {}, {}};
    for (std::size_t i = 0; i < input.layers.size(); ++i) {
      const std::optional<UpdateFigures>& figures = input.layers[i].updates[a];
      line.x.push_back(static_cast<double>(i));
      line.y.push_back(figures ? value(*figures) : NAN);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

template <class Value>
std::string plot_of(const ComparisonInput& input, Plot plot, const Value& value) {
  plot.x_label = "weight, in the model's order";
  plot.lines = lines_of(input, value);
  return plot_card(plot);
}

std::string plots(const ComparisonInput& input) {
  using Figures = const UpdateFigures&;
  return plot_of(input,
                 {.id = "intruders",
                  .title = "Intruder dimensions",
                  .note = "of the first " + std::to_string(input.top) + " left singular vectors",
                  .from_zero = true},
                 [](Figures f) { return static_cast<double>(f.intruders); }) +
         plot_of(input,
                 {.id = "cosine",
                  .title = "Lowest cosine",
                  .note = "of these, with the nearest singular vector of W",
                  .from_zero = true},
                 [](Figures f) { return f.lowest_cosine(); }) +
         plot_of(input,
                 {.id = "update-size",
                  .title = "Size of the update",
                  .note = "‖ΔW‖ / ‖W‖",
                  .y_style = NumberStyle::kPercent,
                  .from_zero = true},
                 [](Figures f) { return f.shares.relative_norm; }) +
         plot_of(input,
                 {.id = "effective-rank",
                  .title = "Effective rank of the update",
                  .note = "exp of the entropy of its singular values",
                  .from_zero = true},
                 [](Figures f) { return f.effective_rank; }) +
         plot_of(input,
                 {.id = "leading",
                  .title = "Update within the leading directions",
                  .note = "share of ‖ΔW‖² in the first " + std::to_string(input.rank),
                  .y_style = NumberStyle::kPercent,
                  .from_zero = true},
                 [](Figures f) { return f.shares.leading; }) +
         plot_of(input,
                 {.id = "drift",
                  .title = "Drift of the singular values",
                  .note = "‖σ′ − σ‖ / ‖σ‖",
                  .y_style = NumberStyle::kPercent,
                  .from_zero = true},
                 [](Figures f) { return f.drift; });
}

std::string legend(const ComparisonInput& input) {
  std::string out = "<div class=\"legend\">";
  for (std::size_t a = 0; a < input.adapters.size(); ++a) {
    out += "<span>" + swatch(a) + escape_html(input.adapters[a]) + "</span>";
  }
  return out + "</div>";
}

std::string explanation(const ComparisonInput& input) {
  return "<p class=\"note\">Shares of ‖ΔW‖² by the singular directions of W, mean of its two "
         "sides: the first " +
         std::to_string(input.rank) +
         " directions, then the principal, medium and minor third. Intruder dimensions "
         "(arXiv 2410.21228): of the first " +
         std::to_string(input.top) +
         " left singular vectors of W + ΔW those whose |cosine| with every one of W's is below " +
         general(input.threshold, 3) + ".</p>";
}

std::string body_of(const ComparisonInput& input) {
  std::string kinds;
  for (std::size_t a = 0; a < input.adapters.size(); ++a) kinds += kinds_table(input, a);
  return "<section id=\"adapters\"><h2>Adapters</h2>" + explanation(input) + totals_table(input) +
         "</section><section id=\"layers\"><h2>By layer</h2>" + legend(input) +
         "<div class=\"charts\">" + plots(input) + "</div></section>" +
         "<section id=\"weights\"><h2>Weights</h2>" + kinds + layers_list(input) + "</section>";
}

}  // namespace

double UpdateFigures::lowest_cosine() const {
  return cosines.empty() ? 1 : *std::min_element(cosines.begin(), cosines.end());
}

std::vector<ComparedKind> compared_kinds(const std::vector<ComparedLayer>& layers,
                                         std::size_t adapter) {
  std::vector<ComparedKind> kinds;
  for (const ComparedLayer& layer : layers) {
    if (!layer.updates[adapter]) continue;
    const std::string name = last_part(layer.name);
    auto it = std::find_if(kinds.begin(), kinds.end(),
                           [&](const ComparedKind& kind) { return kind.name == name; });
    if (it == kinds.end()) it = kinds.insert(kinds.end(), {name, 0, {}});
    add(*it, *layer.updates[adapter]);
  }
  return kinds;
}

ComparedKind compared_total(const std::vector<ComparedLayer>& layers, std::size_t adapter) {
  ComparedKind total;
  for (const ComparedLayer& layer : layers) {
    if (layer.updates[adapter]) add(total, *layer.updates[adapter]);
  }
  return total;
}

std::string render_comparison(const ComparisonInput& input) {
  return static_page({input.title, input.subtitle, input.footer}, body_of(input));
}

}  // namespace svtune
