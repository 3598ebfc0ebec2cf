#include "attach/svd_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace svtune {
namespace svd_summary_test {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

AdaptedLayer layer(const std::string& name, Json report) {
  AdaptedLayer layer;
  layer.name = name;
  layer.report = std::move(report);
  return layer;
}

TEST(SvdSummary, NamesTheWorstLayerAndTheEnergy) {
  StartReport report;
  report.layers = {
      layer("q", {{"svd", "gram + block Lanczos (16 x 15)"},
                  {"max_residual", 2e-7},
                  {"captured_energy", 0.25}}),
      layer("k", {{"svd", "gram + block Lanczos (16 x 17)"},
                  {"max_residual", 3e-7},
                  {"captured_energy", 0.75}}),
      layer("v",
            {{"svd", "gram + eigh (fp64)"}, {"max_residual", 1e-7}, {"captured_energy", 0.5}})};
  const std::vector<std::string> lines = svd_summary(report);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], "Decomposition: 2 x gram + block Lanczos, 1 x gram + eigh (fp64)");
  report.cached = 2;
  EXPECT_THAT(svd_summary(report)[0], EndsWith("(fp64); 2 read from the cache"));
  EXPECT_THAT(lines[1], AllOf(HasSubstr("3.0e-07"), HasSubstr("(k)"),
                              HasSubstr("50.0 % on average"), HasSubstr("25.0 % to 75.0 %")));
}

// What a method takes out of the weights is no part that it captures.
TEST(SvdSummary, DroppedEnergyIsNamedSo) {
  StartReport report;
  report.layers = {
      layer("q", {{"svd", "gesdd"}, {"max_residual", 2e-7}, {"dropped_energy", 0.125}})};
  const std::vector<std::string> lines = svd_summary(report);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[1], AllOf(HasSubstr("(q); dropped energy 12.5 % on average"),
                              ::testing::Not(HasSubstr("captured"))));
  report.layers = {layer("q", {{"svd", "gesdd"}, {"max_residual", 2e-7}})};
  EXPECT_THAT(svd_summary(report)[1], EndsWith("(q)"));
}

TEST(SvdSummary, FallbacksAreCountedAndTheFirstIsNamed) {
  StartReport report;
  report.layers = {layer("a", {{"svd", "gesdd (fp64)"}}),
                   layer("b", {{"svd", "gesdd (fp64)"}, {"svd_fallback", "gram (fp64) refused"}}),
                   layer("c", {{"svd", "gesdd (fp64)"}, {"svd_fallback", "other"}})};
  const std::vector<std::string> lines = svd_summary(report);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[1],
              AllOf(HasSubstr("Fallback: 2 layers"), HasSubstr("b: gram (fp64) refused")));
}

TEST(SvdSummary, MethodsWithoutDecompositionSayNothing) {
  StartReport report;
  report.layers = {layer("q", {{"rank", 8}})};
  EXPECT_THAT(svd_summary(report), IsEmpty());
}

}  // namespace svd_summary_test
}  // namespace svtune
