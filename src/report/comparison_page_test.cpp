// The page of comparisons: its rows, sums and lines.
#include "report/comparison_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace svtune {
namespace comparison_page_test {

using ::testing::HasSubstr;
using ::testing::Not;

UpdateFigures figures(double size, std::int64_t intruders, double cosine) {
  UpdateFigures out;
  out.shares = {0.5, 0.6, 0.2, 0.1, 0.1, size};
  out.effective_rank = 100 * size;
  out.intruders = intruders;
  out.cosines = {1, cosine};
  out.drift = size / 2;
  return out;
}

ComparisonInput make_input() {
  ComparisonInput input;
  input.title = "Updates of <model>";
  input.adapters = {"first", "second<script>"};
  input.layers = {{"model.layers.0.q_proj", 8, 8, {figures(0.01, 1, 0.3), std::nullopt}},
                  {"model.layers.0.up_proj", 16, 8, {std::nullopt, figures(0.04, 0, 0.9)}},
                  {"model.layers.1.q_proj", 8, 8, {figures(0.03, 2, 0.2), figures(0.02, 0, 0.8)}}};
  return input;
}

TEST(ComparisonPage, KindsAreMeansAndSumsOfTheLayersThatChanged) {
  const ComparisonInput input = make_input();
  const std::vector<ComparedKind> kinds = compared_kinds(input.layers, 0);
  ASSERT_EQ(kinds.size(), 1u);
  EXPECT_EQ(kinds[0].name, "q_proj");
  EXPECT_EQ(kinds[0].layers, 2);
  EXPECT_NEAR(kinds[0].mean.shares.relative_norm, 0.02, 1e-12);
  EXPECT_NEAR(kinds[0].mean.effective_rank, 2, 1e-12);
  EXPECT_EQ(kinds[0].mean.intruders, 3);
  EXPECT_EQ(kinds[0].mean.lowest_cosine(), 0.2);
  const ComparedKind total = compared_total(input.layers, 1);
  EXPECT_EQ(total.layers, 2);
  EXPECT_NEAR(total.mean.drift, 0.015, 1e-12);
  EXPECT_EQ(compared_kinds(input.layers, 1).size(), 2u);
}

TEST(ComparisonPage, ShowsEachAdapterWithItsFiguresAndEscapesNames) {
  const std::string page = render_comparison(make_input());
  EXPECT_THAT(page, HasSubstr("<code>first</code>"));
  EXPECT_THAT(page, HasSubstr("second&lt;script&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("<script>")));
  EXPECT_THAT(page, HasSubstr("Updates of &lt;model&gt;"));
  EXPECT_THAT(page, HasSubstr("<td class=\"number\">0.200</td>"));
  EXPECT_THAT(page, HasSubstr("id=\"plot-intruders\""));
  EXPECT_THAT(page, HasSubstr("model.layers.0.up_proj"));
  EXPECT_EQ(page, render_comparison(make_input()));
}

}  // namespace comparison_page_test
}  // namespace svtune
