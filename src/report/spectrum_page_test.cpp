// The page of spectra: its figures, its lines, and that a browser shows it without complaint.
#include "report/spectrum_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "report/chromium_test_util.h"
#include "report/plot.h"

namespace svtune {
namespace spectrum_page_test {

using ::testing::HasSubstr;
using ::testing::Not;

SpectrumLayer make_layer(const std::string& name, std::int64_t n, double top, bool update) {
  SpectrumLayer layer;
  layer.name = name;
  layer.rows = 2 * n;
  layer.columns = n;
  for (std::int64_t i = 1; i <= n; ++i) layer.sigma.push_back(top / static_cast<double>(i));
  layer.quantised_error = 0.09;
  layer.residual_scale = 0.8;
  layer.weight_density.assign(kHistogramBins, 0.1);
  layer.residual_density.assign(kHistogramBins, 0.2);
  if (update) layer.update = UpdateShares{0.5, 0.6, 0.2, 0.1, 0.1, 0.01};
  return layer;
}

SpectrumInput make_input(bool update) {
  SpectrumInput input;
  input.title = "Spectrum of <model>";
  input.subtitle = "four weights";
  input.footer = "svtune";
  input.rank = 2;
  input.facts = {{"Weights", "4"}};
  for (int i = 0; i < 2; ++i) {
    const std::string at = "model.layers." + std::to_string(i);
    input.layers.push_back(make_layer(at + ".q_proj", 60, 4, update));
    input.layers.push_back(make_layer(at + ".k_proj<script>", 12, 2, update));
  }
  return input;
}

// The <figure> of one plot.
std::string figure(const std::string& page, const std::string& id) {
  const std::size_t begin = page.find("id=\"plot-" + id + "\"");
  if (begin == std::string::npos) return "";
  return page.substr(begin, page.find("</figure>", begin) - begin);
}

std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++count;
  return count;
}

TEST(SpectrumPage, EnergyIsTheShareOfTheSquares) {
  const SpectrumLayer layer{.name = "a", .sigma = {2, 1, 1, 0}};
  EXPECT_DOUBLE_EQ(layer.energy(0), 0);
  EXPECT_DOUBLE_EQ(layer.energy(1), 4.0 / 6);
  EXPECT_DOUBLE_EQ(layer.energy(9), 1);
}

TEST(SpectrumPage, KindsCollectLayersInOrder) {
  const std::vector<SpectrumLayer> layers = make_input(false).layers;
  const std::vector<SpectrumKind> kinds = spectrum_kinds(layers);
  ASSERT_EQ(kinds.size(), 2u);
  EXPECT_EQ(kinds[0].name, "q_proj");
  EXPECT_EQ(kinds[0].layers[1]->name, "model.layers.1.q_proj");
  const std::vector<double> mean = mean_spectrum(kinds[0], 7);
  EXPECT_NEAR(mean.front(), 4, 1e-12);
  EXPECT_NEAR(mean.back(), 4.0 / 60, 1e-12);
}

TEST(SpectrumPage, EveryPlotHasALineAKind) {
  const std::string page = render_spectrum(make_input(true));
  for (const char* id :
       {"spectrum", "energy", "energy-by-layer", "quantised", "spread", "update", "update-size"}) {
    EXPECT_EQ(occurrences(figure(page, id), "class=\"series"), 2u) << id;
  }
  EXPECT_EQ(occurrences(figure(page, "entries"), "class=\"series"), 2u);
  EXPECT_EQ(occurrences(page, "class=\"spark\""), 2u + 4u);
  EXPECT_EQ(page, render_spectrum(make_input(true)));
}

TEST(SpectrumPage, WithoutUpdatesThereIsNoSuchSection) {
  const std::string page = render_spectrum(make_input(false));
  EXPECT_EQ(figure(page, "update"), "");
  EXPECT_EQ(page.find("Where the update lies"), std::string::npos);
  EXPECT_NE(render_spectrum(SpectrumInput{}).find("no weight to show"), std::string::npos);
}

TEST(SpectrumPage, TextsAreEscapedAndNothingIsFetched) {
  const std::string page = render_spectrum(make_input(true));
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("<model>"), std::string::npos);
  EXPECT_EQ(page.find("http://"), std::string::npos);
  EXPECT_EQ(page.find("https://"), std::string::npos);
  EXPECT_EQ(page.find("style=\""), std::string::npos);
  EXPECT_EQ(page.find(">nan"), std::string::npos);
  EXPECT_EQ(page.find("not finite"), std::string::npos);
}

TEST(Plot, LogarithmicScalesPlaceAndLabelPowers) {
  Plot plot{.id = "p",
            .title = "t",
            .log_x = true,
            .log_y = true,
            .lines = {{0, {1, 4, 16}, {1e-3, 1, 1e3}}},
            .mark = 4.0};
  const std::string card = plot_card(plot);
  // Equal ratios, equal distances: the middle point lies in the middle.
  EXPECT_THAT(card, HasSubstr("d=\"M62 "));
  EXPECT_THAT(card, HasSubstr("L339 "));
  EXPECT_THAT(card, HasSubstr("class=\"cross\" d=\"M339 "));
  for (const char* label : {">1<", ">2<", ">16<", ">0.001<", ">1e+03<"}) {
    EXPECT_THAT(card, HasSubstr(label));
  }
}

TEST(Plot, GapsAndEmptyPlots) {
  Plot plot{.id = "p", .title = "t", .log_y = true, .lines = {{0, {0, 1, 2, 3}, {1, 0, 10, 100}}}};
  EXPECT_EQ(occurrences(plot_card(plot), "M62 "),
            1u + 4u);  // the line, three rows of the grid, the axis
  plot.lines[0].y = {5, 5, 5, 5};
  EXPECT_THAT(plot_card(plot), Not(HasSubstr("nan")));
  plot.lines = {{0, {1}, {1}}};
  EXPECT_EQ(plot_card(plot), "");
}

// The page as a browser understands it: all plots, no content dropped by the policy.
TEST(SpectrumPage, ChromiumShowsIt) {
  const std::string browser = test::chromium();
  if (browser.empty()) GTEST_SKIP() << "no Chromium in PATH";
  const std::string dom = test::rendered_document(browser, render_spectrum(make_input(true)));
  EXPECT_EQ(occurrences(dom, "<figure"), 8u);
  EXPECT_EQ(occurrences(dom, "class=\"series"), 16u + 6u);  // plots and sparklines
  EXPECT_NE(dom.find("<tbody>"), std::string::npos);
}

}  // namespace spectrum_page_test
}  // namespace svtune
