#include "report/spectrum_page.h"

#include <algorithm>
#include <cmath>

#include "base/text_util.h"
#include "report/html.h"
#include "report/plot.h"
#include "report/static_page.h"

namespace svtune {
namespace {

constexpr std::size_t kCurvePoints = 160;
constexpr std::size_t kSparkPoints = 40;

using Kinds = std::vector<SpectrumKind>;

Plot spectrum_plot(const Kinds& kinds) {
  Plot plot{.id = "spectrum",
            .title = "Singular values",
            .note = "geometric mean over the layers of a kind",
            .x_label = "place",
            .x_style = NumberStyle::kPercent,
            .log_y = true};
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    PlotLine line{k, {}, mean_spectrum(kinds[k], kCurvePoints)};
    for (std::size_t i = 0; i < line.y.size(); ++i) {
      line.x.push_back(static_cast<double>(i) / static_cast<double>(line.y.size() - 1));
    }
    plot.lines.push_back(std::move(line));
  }
  return plot;
}

// Ranks from 1 to n, evenly on a logarithmic axis.
std::vector<std::int64_t> ranks_up_to(std::int64_t n) {
  std::vector<std::int64_t> ranks;
  for (std::int64_t rank = 1; rank < n;) {
    ranks.push_back(rank);
    const auto next = static_cast<std::int64_t>(std::llround(static_cast<double>(rank) * 1.12));
    rank = std::max(rank + 1, next);
  }
  ranks.push_back(n);
  return ranks;
}

Plot energy_plot(const SpectrumInput& input, const Kinds& kinds) {
  Plot plot{.id = "energy",
            .title = "Captured energy",
            .note = "share of ‖W‖² in the leading part, by rank",
            .x_label = "rank",
            .y_style = NumberStyle::kPercent,
            .log_x = true,
            .from_zero = true,
            .mark = static_cast<double>(input.rank)};
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    PlotLine line{k, {}, {}};
    const auto n = static_cast<std::int64_t>(kinds[k].layers.front()->sigma.size());
    for (const std::int64_t rank : ranks_up_to(n)) {
      line.x.push_back(static_cast<double>(rank));
      line.y.push_back(
          kind_mean(kinds[k], [&](const SpectrumLayer& layer) { return layer.energy(rank); }));
    }
    plot.lines.push_back(std::move(line));
  }
  return plot;
}

std::vector<double> mean_density(const SpectrumInput& input,
                                 std::vector<double> SpectrumLayer::* member) {
  std::vector<double> mean(static_cast<std::size_t>(kHistogramBins), 0.0);
  for (const SpectrumLayer& layer : input.layers) {
    const std::vector<double>& density = layer.*member;
    for (std::size_t i = 0; i < mean.size(); ++i) {
      mean[i] += density[i] / static_cast<double>(input.layers.size());
    }
  }
  return mean;
}

Plot entries_plot(const SpectrumInput& input) {
  Plot plot{.id = "entries",
            .title = "Entries of W and of its residual",
            .note = "density, in standard deviations of W",
            .x_label = "entry",
            .x_style = NumberStyle::kPlain,
            .from_zero = true,
            .lines = {{0, {}, mean_density(input, &SpectrumLayer::weight_density)},
                      {1, {}, mean_density(input, &SpectrumLayer::residual_density)}}};
  for (PlotLine& line : plot.lines) {
    for (std::int64_t i = 0; i < kHistogramBins; ++i) {
      const double middle = (static_cast<double>(i) + 0.5) / static_cast<double>(kHistogramBins);
      line.x.push_back(kHistogramReach * (2 * middle - 1));
    }
  }
  return plot;
}

template <class Value>
std::vector<PlotLine> lines_by_layer(const Kinds& kinds, const Value& value) {
  std::vector<PlotLine> lines;
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    PlotLine line{k, {}, {}};
    for (std::size_t i = 0; i < kinds[k].layers.size(); ++i) {
      line.x.push_back(static_cast<double>(i));
      line.y.push_back(value(*kinds[k].layers[i]));
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

Plot layer_energy_plot(const SpectrumInput& input, const Kinds& kinds) {
  return {.id = "energy-by-layer",
          .title = "Captured energy by layer",
          .note = "at rank " + std::to_string(input.rank),
          .x_label = "layer",
          .y_style = NumberStyle::kPercent,
          .from_zero = true,
          .lines = lines_by_layer(
              kinds, [&](const SpectrumLayer& layer) { return layer.energy(input.rank); })};
}

Plot spread_plot(const Kinds& kinds) {
  return {.id = "spread",
          .title = "Spread of the residual by layer",
          .note = "standard deviation, of W's; colours of the spectra",
          .x_label = "layer",
          .y_style = NumberStyle::kPercent,
          .lines = lines_by_layer(kinds,
                                  [](const SpectrumLayer& layer) { return layer.residual_scale; })};
}

Plot quantised_plot(const Kinds& kinds) {
  return {.id = "quantised",
          .title = "Error of plain NF4 by layer",
          .note = "‖W − nf4(W)‖ / ‖W‖",
          .x_label = "layer",
          .y_style = NumberStyle::kPercent,
          .lines = lines_by_layer(
              kinds, [](const SpectrumLayer& layer) { return layer.quantised_error; })};
}

bool has_update(const SpectrumInput& input) {
  return std::any_of(input.layers.begin(), input.layers.end(),
                     [](const SpectrumLayer& layer) { return layer.update.has_value(); });
}

Plot update_plot(const SpectrumInput& input, const Kinds& kinds) {
  return {.id = "update",
          .title = "Update within the leading directions",
          .note = "share of ‖ΔW‖² in the first " + std::to_string(input.rank),
          .x_label = "layer",
          .y_style = NumberStyle::kPercent,
          .from_zero = true,
          .lines = lines_by_layer(kinds, [](const SpectrumLayer& layer) {
            return layer.update ? layer.update->leading : NAN;
          })};
}

Plot update_size_plot(const Kinds& kinds) {
  return {.id = "update-size",
          .title = "Size of the update",
          .note = "‖ΔW‖ / ‖W‖",
          .x_label = "layer",
          .y_style = NumberStyle::kPercent,
          .from_zero = true,
          .lines = lines_by_layer(kinds, [](const SpectrumLayer& layer) {
            return layer.update ? layer.update->relative_norm : NAN;
          })};
}

std::string plain(double value) { return format_quantity(value, NumberStyle::kPlain); }

std::string number_heads(std::int64_t rank) {
  return head_cells({"Largest", "Smallest", "Energy at rank " + std::to_string(rank),
                     "Residual / W", "NF4 error"});
}

std::string number_cells(const SpectrumKind& kind, std::int64_t rank) {
  const auto mean = [&](const auto& value) { return kind_mean(kind, value); };
  return number_cell(plain(mean([](const SpectrumLayer& l) { return l.sigma.front(); }))) +
         number_cell(plain(mean([](const SpectrumLayer& l) { return l.sigma.back(); }))) +
         number_cell(percent_text(mean([&](const SpectrumLayer& l) { return l.energy(rank); }))) +
         number_cell(percent_text(mean([](const SpectrumLayer& l) { return l.residual_scale; }))) +
         number_cell(percent_text(mean([](const SpectrumLayer& l) { return l.quantised_error; })));
}

std::string row_head(const SpectrumKind& kind, std::size_t colour, const std::string& label) {
  std::vector<double> logarithms = mean_spectrum(kind, kSparkPoints);
  for (double& value : logarithms) value = value > 0 ? std::log10(value) : NAN;
  return "<tr><th scope=\"row\">" + label + "</th><td>" + sparkline_svg(logarithms, colour) +
         "</td>";
}

std::string kinds_table(const SpectrumInput& input, const Kinds& kinds) {
  std::string rows;
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    const SpectrumLayer& first = *kinds[k].layers.front();
    rows += row_head(kinds[k], k, swatch(k) + "<code>" + escape_html(kinds[k].name) + "</code>") +
            number_cell(std::to_string(kinds[k].layers.size())) +
            number_cell(std::to_string(first.rows) + " x " + std::to_string(first.columns)) +
            number_cells(kinds[k], input.rank) + "</tr>";
  }
  return table("<th>Weight</th><th>Singular values, log</th>" + head_cells({"Layers", "Shape"}) +
                   number_heads(input.rank),
               rows);
}

std::string layers_list(const SpectrumInput& input, const Kinds& kinds) {
  std::string rows;
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    for (const SpectrumLayer* layer : kinds[k].layers) {
      const SpectrumKind one{layer->name, {layer}};
      rows += row_head(one, k, "<code>" + escape_html(layer->name) + "</code>") +
              number_cells(one, input.rank) + "</tr>";
    }
  }
  return "<details class=\"list\"><summary>All " + std::to_string(input.layers.size()) +
         " weights one by one</summary>" +
         table("<th>Weight</th><th>Singular values, log</th>" + number_heads(input.rank), rows) +
         "</details>";
}

UpdateShares mean_shares(const SpectrumKind& kind) {
  UpdateShares mean;
  double count = 0;
  for (const SpectrumLayer* layer : kind.layers) {
    if (!layer->update) continue;
    ++count;
    for (double UpdateShares::* part :
         {&UpdateShares::leading, &UpdateShares::principal, &UpdateShares::medium,
          &UpdateShares::minor, &UpdateShares::outside, &UpdateShares::relative_norm}) {
      mean.*part += ((*layer->update).*part - mean.*part) / count;
    }
  }
  return mean;
}

std::string update_section(const SpectrumInput& input, const Kinds& kinds) {
  if (!has_update(input)) return "";
  std::string rows;
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    const UpdateShares shares = mean_shares(kinds[k]);
    if (shares.relative_norm == 0) continue;
    rows += "<tr><th scope=\"row\">" + swatch(k) + "<code>" + escape_html(kinds[k].name) +
            "</code></th>" + number_cell(percent_text(shares.relative_norm)) +
            number_cell(percent_text(shares.leading)) +
            number_cell(percent_text(shares.principal)) + number_cell(percent_text(shares.medium)) +
            number_cell(percent_text(shares.minor)) + number_cell(percent_text(shares.outside)) +
            "<td>" + share_bar(shares) + "</td></tr>";
  }
  return "<section id=\"updates\"><h2>Where the update lies</h2><p class=\"note\">Shares of "
         "‖ΔW‖² by the singular directions of W, mean of its two sides: the first " +
         std::to_string(input.rank) +
         " directions, then the principal, medium and minor third. A weight that is not square "
         "has room outside of them. Directions drawn at random would give each third the "
         "same.</p><div class=\"charts\">" +
         plot_card(update_plot(input, kinds)) + plot_card(update_size_plot(kinds)) + "</div><br>" +
         table("<th>Weight</th>" +
                   head_cells({"‖ΔW‖ / ‖W‖", "First " + std::to_string(input.rank), "Principal",
                               "Medium", "Minor", "Outside"}) +
                   "<th>Thirds</th>",
               rows) +
         "</section>";
}

std::string legend(const Kinds& kinds) {
  std::string out = "<div class=\"legend\">";
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    out += "<span>" + swatch(k) + escape_html(kinds[k].name) + "</span>";
  }
  return out + "</div>";
}

std::string body_of(const SpectrumInput& input, const Kinds& kinds) {
  const std::string entries_legend = "<div class=\"legend\"><span>" + swatch(0) + "W</span><span>" +
                                     swatch(1) + "W without its first " +
                                     std::to_string(input.rank) + " triplets</span></div>";
  return facts_list(input.facts) + "<section id=\"spectra\"><h2>Spectra</h2>" + legend(kinds) +
         "<div class=\"charts\">" + plot_card(spectrum_plot(kinds)) +
         plot_card(energy_plot(input, kinds)) + plot_card(layer_energy_plot(input, kinds)) +
         plot_card(quantised_plot(kinds)) + "</div></section>" + update_section(input, kinds) +
         "<section id=\"entries\"><h2>What the principal part leaves</h2>" + entries_legend +
         "<div class=\"charts\">" + plot_card(entries_plot(input)) + plot_card(spread_plot(kinds)) +
         "</div></section><section id=\"weights\"><h2>Weights</h2>" + kinds_table(input, kinds) +
         layers_list(input, kinds) + "</section>";
}

}  // namespace

std::vector<SpectrumKind> spectrum_kinds(const std::vector<SpectrumLayer>& layers) {
  std::vector<SpectrumKind> kinds;
  for (const SpectrumLayer& layer : layers) {
    const std::string name = last_part(layer.name);
    auto it = std::find_if(kinds.begin(), kinds.end(),
                           [&](const SpectrumKind& kind) { return kind.name == name; });
    if (it == kinds.end()) it = kinds.insert(kinds.end(), {name, {}});
    it->layers.push_back(&layer);
  }
  return kinds;
}

std::vector<double> mean_spectrum(const SpectrumKind& kind, std::size_t points) {
  const std::size_t count = std::min(points, kind.layers.front()->sigma.size());
  std::vector<double> mean(count, 0.0);
  for (std::size_t i = 0; i < count; ++i) {
    double sum = 0;
    for (const SpectrumLayer* layer : kind.layers) {
      const auto last = static_cast<double>(layer->sigma.size() - 1);
      const double place =
          count > 1 ? last * static_cast<double>(i) / static_cast<double>(count - 1) : 0;
      sum += std::log(layer->sigma[static_cast<std::size_t>(std::llround(place))]);
    }
    mean[i] = std::exp(sum / static_cast<double>(kind.layers.size()));
  }
  return mean;
}

std::string render_spectrum(const SpectrumInput& input) {
  const Kinds kinds = spectrum_kinds(input.layers);
  const std::string body =
      kinds.empty() ? "<p class=\"note\">There is no weight to show.</p>" : body_of(input, kinds);
  return static_page({input.title, input.subtitle, input.footer}, body);
}

}  // namespace svtune
