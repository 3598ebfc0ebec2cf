#include "train/recipes/recipe_report.h"

#include <algorithm>
#include <cmath>

#include "base/number_text.h"
#include "base/text_util.h"
#include "report/metrics_log.h"

namespace svtune {
namespace {

// 0 to 1, or nothing where it was not measured.
std::optional<double> measured(const std::string& metric, const std::vector<MetricPoint>& points,
                               std::optional<std::int64_t> step) {
  std::optional<double> last;
  for (const MetricField& field : metric_fields()) {
    if (field.key != "eval_" + metric) continue;
    for (const MetricPoint& point : points) {
      const std::optional<double>& value = point.*field.member;
      if (value && std::isfinite(*value) && (!step || point.step == *step)) last = value;
    }
  }
  return last;
}

}  // namespace

ReportFact recipe_fact(const Recipe& recipe) {
  return {"Recipe", recipe.name + " (" + recipe.paper + ", " + recipe.place + ")"};
}

std::vector<ReportFact> paper_facts(const Recipe& recipe, const std::vector<MetricPoint>& points,
                                    std::optional<std::int64_t> step) {
  std::vector<std::string> metrics;
  for (const PaperFigure& figure : recipe.figures) {
    if (std::ranges::count(metrics, figure.metric) == 0) metrics.push_back(figure.metric);
  }
  std::vector<ReportFact> facts;
  for (const std::string& metric : metrics) {
    std::vector<std::string> texts;
    for (const PaperFigure& figure : recipe.figures) {
      if (figure.metric == metric) {
        texts.push_back(fixed(figure.value, 2) + " (" + figure.data + ")");
      }
    }
    std::string text = join(texts, ", ");
    if (const std::optional<double> own = measured(metric, points, step)) {
      text += "; here " + fixed(100 * *own, 2);
    }
    facts.push_back({kPaperFact + metric, text});
  }
  return facts;
}

}  // namespace svtune
