// The report's page: escaping, charts with and without script, and the drawing in Chromium.
#include "report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/comma_locale_test_util.h"
#include "report/charts.h"
#include "report/chromium_test_util.h"
#include "report/html.h"

namespace svtune {
namespace report_test {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr int kSteps = 120;

ReportRun make_run(const std::string& name, double level) {
  ReportRun run;
  run.name = name;
  run.model_parameters = 1000000;
  run.layers = {{"layers.0.q_proj", "4 x 4", "PiSSA, rank 2", 16, 1000},
                {"layers.1.q_proj", "4 x 4", "PiSSA, rank 2", 16, 1000},
                {"layers.0.down_proj", "4 x 8", "PiSSA, rank 2", 32, 2000}};
  run.config = {{"method", name}, {"rank", 2}};
  for (int step = 1; step <= kSteps; ++step) {
    MetricPoint point;
    point.step = step;
    point.loss = level + std::exp(-step / 30.0);
    point.grad_norm = 1.0 / step;
    point.learning_rate = 1e-4;
    point.tokens_per_second = 5000;
    point.memory = 2e9;
    point.seconds = step * 0.5;
    if (step % 20 == 0) point.eval_loss = level;
    run.points.push_back(point);
  }
  return run;
}

ReportInput make_input() {
  ReportInput input;
  input.title = "Arithmetic & <b>words</b>";
  input.subtitle = "two runs";
  input.footer = "svtune 0.1.0";
  input.runs = {make_run("PiSSA", 0.5), make_run("</script><script>alert(1)</script>", 0.75)};
  input.runs[1].config["rank"] = 4;
  input.samples = {{"2 + 2 = \"?\"", "4", {{"before", "5 <", false}, {"after", "4", true}}}};
  return input;
}

// What stands between each `start` and the next `end`.
std::vector<std::string> matches(const std::string& text, const std::string& start,
                                 const std::string& end) {
  std::vector<std::string> out;
  for (std::size_t at = 0; (at = text.find(start, at)) != std::string::npos;) {
    at += start.size();
    out.push_back(text.substr(at, text.find(end, at) - at));
  }
  return out;
}

// A matcher would print the whole page.
::testing::AssertionResult contains(const std::string& page, const std::string& text) {
  if (page.find(text) != std::string::npos) return ::testing::AssertionSuccess() << text;
  return ::testing::AssertionFailure() << "no \"" << text << "\" in the page";
}

std::size_t points_of(const std::string& path) {
  return static_cast<std::size_t>(
      std::count_if(path.begin(), path.end(), [](char c) { return c == 'M' || c == 'L'; }));
}

// The <figure> of one chart, up to its end.
std::string figure(const std::string& page, const std::string& id) {
  const std::size_t begin = page.find("id=\"chart-" + id + "\"");
  if (begin == std::string::npos) return "";
  return page.substr(begin, page.find("</figure>", begin) - begin);
}

std::vector<std::size_t> line_points(const std::string& page, const std::string& id) {
  std::vector<std::size_t> out;
  for (const std::string& d : matches(figure(page, id), "<path class=\"series run-", ">")) {
    out.push_back(points_of(d));
  }
  return out;
}

TEST(Report, StaticChartsHaveOneLineARunWithAllPoints) {
  const std::string page = render_report(make_input());
  for (const char* id : {"loss", "grad_norm", "learning_rate", "tokens_per_second", "memory"}) {
    EXPECT_THAT(line_points(page, id), ElementsAre(kSteps, kSteps)) << id;
  }
  EXPECT_THAT(line_points(page, "eval_loss"), ElementsAre(6, 6));
  EXPECT_EQ(figure(page, "eval_accuracy"), "");
}

TEST(Report, TextsCannotLeaveTheirPlace) {
  const std::string page = render_report(make_input());
  EXPECT_FALSE(contains(page, "<script>alert"));
  EXPECT_FALSE(contains(page, "<b>words</b>"));
  EXPECT_TRUE(contains(page, "<h1>Arithmetic &amp; &lt;b&gt;words&lt;/b&gt;</h1>"));
  EXPECT_TRUE(contains(page, "\\u003c/script>"));
  EXPECT_TRUE(contains(page, "5 &lt;"));
}

TEST(Report, RightAnswersHaveWilsonsIntervalAndSizesOnTheDiskABest) {
  ReportInput input = make_input();
  EXPECT_FALSE(contains(render_report(input), "Exact match"));
  input.runs[0].exact_match = {42, 100};
  input.runs[1].exact_match = {0, 20};
  input.runs[0].saved_bytes = 20'000'000;
  input.runs[1].saved_bytes = 30'000'000;
  const std::string page = render_report(input);
  // The roots of (share - p)^2 = z^2 p (1 - p) / n: 0.32798 and 0.51794, 0 and 0.16113.
  EXPECT_TRUE(contains(page, "<td class=\"best\">42.0 % (32.8 to 51.8)</td>"));
  EXPECT_TRUE(contains(page, "<td>0.0 % (0.0 to 16.1)</td>"));
  EXPECT_TRUE(contains(page, "<th>On the disk</th>"));
}

// What stands beside the title of a chart.
std::string unit(const ReportInput& input, const std::string& id) {
  return matches(figure(render_report(input), id), "</b><span>", "</span>").at(0);
}

TEST(Report, LossesAreInTheUnitOfTheRunsTask) {
  ReportInput input = make_input();
  EXPECT_EQ(unit(input, "loss"), "nats per token");  // options from before there were tasks
  input.runs.resize(1);
  const auto unit_with = [&](const Json& task) {
    input.runs[0].config["task"] = task;
    EXPECT_EQ(unit(input, "eval_loss"), unit(input, "loss"));
    return unit(input, "loss");
  };
  EXPECT_EQ(unit_with("language"), "nats per token");
  EXPECT_EQ(unit_with("classify"), "nats per document");
  EXPECT_EQ(unit_with("regress"), "squared error");
  EXPECT_EQ(unit_with("mask"), "nats per hidden token");
  EXPECT_EQ(unit_with("a task of later"), "");
  EXPECT_EQ(unit_with(nullptr), "");
  EXPECT_EQ(unit(input, "grad_norm"), "before clipping");
}

TEST(Report, RunsOfOtherTasksNameBothUnitsAndHaveNoBestLoss) {
  ReportInput input = make_input();
  input.runs[1].config["task"] = "regress";
  EXPECT_EQ(unit(input, "loss"), "nats per token or squared error");
  EXPECT_FALSE(contains(render_report(input), "<td class=\"best\">0.5000</td>"));
  for (MetricPoint& point : input.runs[1].points) point.eval_loss = std::nullopt;
  EXPECT_EQ(unit(input, "eval_loss"), "nats per token");
}

TEST(Report, PlaceholdersInTextsAreNotFilled) {
  ReportInput input = make_input();
  input.title = "{{data}}";
  EXPECT_TRUE(contains(render_report(input), "<h1>{{data}}</h1>"));
}

TEST(Report, PageAllowsNoNetworkAndNamesNoAddress) {
  const std::string page = render_report(make_input());
  EXPECT_TRUE(contains(page, "default-src 'none'"));
  std::string rest = page;
  const std::string svg_namespace = "http://www.w3.org/2000/svg";
  rest.erase(rest.find(svg_namespace), svg_namespace.size());
  EXPECT_FALSE(contains(rest, "://"));
  EXPECT_FALSE(contains(page, " style=\""));
  EXPECT_FALSE(contains(page, " src="));
  EXPECT_EQ(matches(page, "<script", ">").size(), 2u);
}

ReportRun classified_run() {
  ReportRun run = make_run("LoRA", 0.5);
  run.confusion = ReportConfusion{{"cat", "<dog>"}, {{0, 0, 9}, {0, 1, 1}, {1, 1, 3}}};
  run.predictions = {{"cat/7.png", "", "data:image/png;base64,AAAA", "cat", "<dog>", 0.96},
                     {"dog/1.png", "", "data:image/png;base64,BBBB", "<dog>", "<dog>", 0.8}};
  return run;
}

TEST(Report, ClassesAreShownWithTheirMistakes) {
  ReportInput input;
  input.runs = {classified_run()};
  const std::string page = render_report(input);
  EXPECT_TRUE(contains(page,
                       "<th scope=\"row\">cat</th><td class=\"hit-3\">9</td>"
                       "<td class=\"miss-1\">1</td></tr>"));
  EXPECT_TRUE(contains(page,
                       "<th scope=\"row\">&lt;dog&gt;</th><td>0</td>"
                       "<td class=\"hit-3\">3</td></tr>"));
  EXPECT_EQ(matches(page, "<img src=\"", "\"").size(), 2u);
  EXPECT_TRUE(contains(page, "<b class=\"bad\">&lt;dog&gt;</b> 96 %, is cat"));
  EXPECT_TRUE(contains(page, "img-src data:;"));
}

TEST(Report, OfManyClassesTheMistakesAreListed) {
  ReportInput input;
  input.runs = {classified_run()};
  ReportConfusion& confusion = *input.runs[0].confusion;
  while (confusion.labels.size() < 30) confusion.labels.push_back("other");
  const std::string page = render_report(input);
  EXPECT_FALSE(contains(page, "class=\"confusion\""));
  EXPECT_TRUE(contains(page, "<td>cat</td><td>&lt;dog&gt;</td><td class=\"number\">1</td></tr>"));
}

TEST(Report, EqualInputGivesEqualBytes) {
  EXPECT_EQ(render_report(make_input()), render_report(make_input()));
}

TEST(Report, IsTheSameInALocaleWithADecimalComma) {
  const std::string expected = render_report(make_input());
  const test::CommaLocale comma;
  EXPECT_TRUE(render_report(make_input()) == expected) << "the page follows the locale";
  if (!comma.set()) GTEST_SKIP() << "only streams could be tried: localedef made no locale";
}

TEST(Report, TablesHoldTheFigures) {
  const std::string page = render_report(make_input());
  EXPECT_TRUE(contains(page, "4,000 trainable parameters in 3 weights, 0.4 % of the model's"));
  EXPECT_TRUE(contains(page, "<th scope=\"row\"><code>down_proj</code></th>"));
  EXPECT_TRUE(contains(page, "50.0 %"));
  EXPECT_TRUE(contains(page, "<td class=\"best\">0.5000</td>"));  // eval loss of the first run
  EXPECT_TRUE(contains(page, "1:00"));
  EXPECT_TRUE(contains(page, "Options that differ between the runs"));
  EXPECT_TRUE(contains(page, "<b class=\"good\">correct</b>"));
}

TEST(Report, SharedFactsStandOnceAboveTheFigures) {
  ReportInput input = make_input();
  input.runs[0].facts = {{"Data", "train.jsonl"}, {"Method", "PiSSA"}};
  input.runs[1].facts = {{"Data", "train.jsonl"}, {"Method", "LoRA"}};
  const std::string page = render_report(input);
  EXPECT_TRUE(contains(page, "<dt>Data</dt><dd>train.jsonl</dd>"));
  EXPECT_FALSE(contains(page, "<th>Data</th>"));
  EXPECT_TRUE(contains(page, "<th>Method</th>"));
  input.runs.pop_back();
  EXPECT_TRUE(
      contains(render_report(input), "<dl class=\"tiles\"><div><dt>Steps</dt><dd>120</dd>"));
}

TEST(Report, EmptyAndOddInputsStillMakeAPage) {
  EXPECT_TRUE(contains(render_report({}), "No metrics were recorded."));
  ReportInput input;
  input.runs = {make_run("one\xFF", 1)};
  input.runs[0].points.resize(1);
  input.runs[0].points[0].loss = NAN;
  const std::string page = render_report(input);
  EXPECT_TRUE(contains(page, "one\uFFFD"));
  EXPECT_EQ(figure(page, "loss"), "");
  EXPECT_THAT(line_points(page, "grad_norm"), ElementsAre(1));
}

TEST(Charts, LongSeriesKeepTheirExtremes) {
  ReportRun run;
  for (int step = 0; step < 100000; ++step) {
    MetricPoint point;
    point.step = step;
    point.loss = step == 77777 ? 9.0 : step == 33333 ? -9.0 : std::sin(step * 0.01);
    run.points.push_back(point);
  }
  const Series series = chart_series(run, chart_specs()[0], 2000);
  EXPECT_LE(series.values.size(), 2002u);
  EXPECT_GT(series.values.size(), 1000u);
  EXPECT_THAT(series.values, ::testing::Contains(9.0));
  EXPECT_THAT(series.values, ::testing::Contains(-9.0));
  EXPECT_EQ(series.steps.front(), 0);
  EXPECT_EQ(series.steps.back(), 99999);
  EXPECT_TRUE(std::is_sorted(series.steps.begin(), series.steps.end()));
}

TEST(Charts, SmoothingKeepsConstantsAndGaps) {
  EXPECT_THAT(smoothed({2, 2, 2, 2}, 0.9), Each(::testing::DoubleNear(2, 1e-12)));
  const std::vector<double> gap = smoothed({1, NAN, 3}, 0.5);
  // Weights 1 and 1/4: (1 + 3/4) / 1.25 and (1/4 + 3) / 1.25.
  EXPECT_DOUBLE_EQ(gap[0], 1.4);
  EXPECT_TRUE(std::isnan(gap[1]));
  EXPECT_DOUBLE_EQ(gap[2], 2.6);
}

TEST(Charts, TicksAreRound) {
  EXPECT_THAT(format_ticks(nice_ticks(0.07, 2.6, 5), NumberStyle::kPlain),
              ElementsAre("0.5", "1.0", "1.5", "2.0", "2.5"));
  EXPECT_THAT(format_ticks(nice_ticks(0, 2.1e-4, 5), NumberStyle::kScientific),
              ElementsAre("0", "5e-5", "1e-4", "1.5e-4", "2e-4"));
  EXPECT_THAT(format_ticks(axis_ticks(0, 2.2e9, 5, NumberStyle::kBytes), NumberStyle::kBytes),
              ElementsAre("0", "0.5 GiB", "1.0 GiB", "1.5 GiB", "2.0 GiB"));
  EXPECT_THAT(format_ticks(nice_ticks(1, 40000, 4), NumberStyle::kRate),
              ElementsAre("10K", "20K", "30K", "40K"));
  EXPECT_THAT(nice_ticks(3, 3, 5), ElementsAre(3));
}

class ChromiumTest : public ::testing::Test {
 protected:
  void SetUp() override {
    program_ = test::chromium();
    if (program_.empty()) GTEST_SKIP() << "no Chromium in PATH";
  }

  std::string dump(const std::string& page) const {
    return test::rendered_document(program_, page);
  }

  std::string program_;
};

TEST_F(ChromiumTest, ScriptDrawsEveryChartWithAllPoints) {
  const std::string dom = dump(render_report(make_input()));
  ASSERT_TRUE(contains(dom, "<html lang=\"en\" class=\"live\">"));
  EXPECT_EQ(matches(dom, "data-live=\"", "\"").size(), 6u);
  for (const char* id : {"loss", "grad_norm", "learning_rate", "tokens_per_second", "memory"}) {
    EXPECT_THAT(line_points(dom, id), ElementsAre(kSteps, kSteps)) << id;
  }
  EXPECT_THAT(line_points(dom, "eval_loss"), ElementsAre(6, 6));
  EXPECT_TRUE(contains(figure(dom, "memory"), "GiB</text>"));
  EXPECT_FALSE(contains(dom, "NaN"));
}

// Drives the page as a reader does: logarithmic axis, time axis, one run hidden, pointer.
TEST_F(ChromiumTest, ControlsAndReadOutWork) {
  std::string page = render_report(make_input());
  const std::string nonce = matches(page, "<script nonce=\"", "\"").at(0);
  const std::string driver =
      "<script nonce=\"" + nonce +
      "\">const q = (s) => document.querySelector(s);"
      "q('#chart-grad_norm .log').click();"
      "q('.legend input[data-run=\"1\"]').click();"
      "q('#axis').value = 'seconds'; q('#axis').dispatchEvent(new Event('change'));"
      "const box = q('#chart-loss .plot').getBoundingClientRect();"
      "q('#chart-loss .plot').dispatchEvent(new PointerEvent('pointermove',"
      "{clientX: box.right - 14, clientY: box.top + 9}));</script></body>";
  page.replace(page.rfind("</body>"), 7, driver);
  const std::string dom = dump(page);
  EXPECT_THAT(line_points(dom, "loss"), ElementsAre(kSteps));
  EXPECT_TRUE(contains(figure(dom, "grad_norm"), "aria-pressed=\"true\""));
  EXPECT_TRUE(contains(figure(dom, "grad_norm"), ">0.01</text>"));
  const std::string readout = dom.substr(dom.find("id=\"readout\""), 400);
  // The last step of the first run is at 60 seconds.
  EXPECT_TRUE(contains(readout, "<b>1:00</b>"));
  EXPECT_TRUE(contains(readout, "<span>PiSSA</span><em>0.5"));
  EXPECT_TRUE(contains(figure(dom, "memory"), "class=\"cross\""));
}

TEST_F(ChromiumTest, LongFactsStayInTheirTiles) {
  ReportInput input = make_input();
  input.runs.resize(1);
  input.runs[0].facts.push_back({"Trainable", "4,884,480 (3.631 %)"});
  std::string page = render_report(input);
  const std::string nonce = matches(page, "<script nonce=\"", "\"").at(0);
  const std::string driver =
      "<script nonce=\"" + nonce +
      "\">const tiles = [...document.querySelectorAll('.tiles dd')];"
      "document.body.dataset.tiles = tiles.some((e) => e.textContent.includes('3.631'));"
      "document.body.dataset.spilled = tiles.filter((e) => e.scrollWidth > e.clientWidth).length;"
      "</script></body>";
  page.replace(page.rfind("</body>"), 7, driver);
  const std::string dom = dump(page);
  EXPECT_TRUE(contains(dom, "data-tiles=\"true\""));
  EXPECT_TRUE(contains(dom, "data-spilled=\"0\""));
}

}  // namespace report_test
}  // namespace svtune
