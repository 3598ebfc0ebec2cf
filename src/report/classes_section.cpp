// Classes of held-out documents: a table of confusions, and documents with what was predicted.
#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/number_text.h"
#include "report/html.h"
#include "report/sections.h"

namespace svtune {
namespace {

constexpr std::size_t kTableClasses = 25;  // of more, mistakes are listed instead

// A shade for a share of the documents of a class.
std::string shade(bool right, double share) {
  const int level = share >= 0.5 ? 3 : share >= 0.2 ? 2 : share > 0 ? 1 : 0;
  if (level == 0) return "";
  return std::string(" class=\"") + (right ? "hit-" : "miss-") + std::to_string(level) + "\"";
}

std::string confusion_table(const ReportConfusion& confusion) {
  const std::size_t classes = confusion.labels.size();
  std::vector<std::vector<std::int64_t>> counts(classes, std::vector<std::int64_t>(classes));
  for (const ReportConfusion::Cell& cell : confusion.cells) {
    counts[static_cast<std::size_t>(cell.wanted)][static_cast<std::size_t>(cell.predicted)] +=
        cell.count;
  }
  std::string out =
      "<div class=\"scroll\"><table class=\"confusion\"><thead><tr><th>is \\ predicted</th>";
  for (const std::string& label : confusion.labels) out += "<th>" + escape_html(label) + "</th>";
  out += "</tr></thead><tbody>";
  for (std::size_t row = 0; row < classes; ++row) {
    std::int64_t total = 0;
    for (const std::int64_t count : counts[row]) total += count;
    out += "<tr><th scope=\"row\">" + escape_html(confusion.labels[row]) + "</th>";
    for (std::size_t column = 0; column < classes; ++column) {
      const std::int64_t count = counts[row][column];
      const double share =
          total > 0 ? static_cast<double>(count) / static_cast<double>(total) : 0.0;
      out += "<td" + shade(row == column, share) + ">" + std::to_string(count) + "</td>";
    }
    out += "</tr>";
  }
  return out + "</tbody></table></div>";
}

std::string mistakes_list(const ReportConfusion& confusion) {
  std::vector<ReportConfusion::Cell> mistakes;
  for (const ReportConfusion::Cell& cell : confusion.cells) {
    if (cell.wanted != cell.predicted) mistakes.push_back(cell);
  }
  if (mistakes.empty()) return "<p class=\"note\">No document was taken for another class.</p>";
  std::ranges::stable_sort(mistakes, std::greater<>(), &ReportConfusion::Cell::count);
  std::string out =
      "<div class=\"scroll\"><table><thead><tr><th>Class</th><th>predicted as</th>"
      "<th class=\"number\">documents</th></tr></thead><tbody>";
  constexpr std::size_t kShown = 20;
  for (std::size_t i = 0; i < std::min(kShown, mistakes.size()); ++i) {
    const auto label = [&](std::int64_t id) {
      return escape_html(confusion.labels[static_cast<std::size_t>(id)]);
    };
    out += "<tr><td>" + label(mistakes[i].wanted) + "</td><td>" + label(mistakes[i].predicted) +
           "</td><td class=\"number\">" + std::to_string(mistakes[i].count) + "</td></tr>";
  }
  return out + "</tbody></table></div>";
}

std::string document(const ReportPrediction& one) {
  std::string out = "<figure class=\"picture\">";
  if (!one.image.empty()) {
    out += "<img src=\"" + escape_html(one.image) + "\" alt=\"" + escape_html(one.name) + "\">";
  }
  if (!one.text.empty()) out += "<div class=\"text\">" + escape_html(one.text) + "</div>";
  const std::string share = fixed(100 * one.probability, 0) + " %";
  out += one.correct() ? "<div><b class=\"good\">" + escape_html(one.predicted) + "</b> " + share
                       : "<div><b class=\"bad\">" + escape_html(one.predicted) + "</b> " + share +
                             ", is " + escape_html(one.label);
  return out + "</div><div class=\"name\">" + escape_html(one.name) + "</div></figure>";
}

std::string documents(const std::vector<ReportPrediction>& predictions, bool correct) {
  std::string out;
  bool texts = false;
  for (const ReportPrediction& one : predictions) {
    if (one.correct() != correct) continue;
    out += document(one);
    texts = texts || one.image.empty();
  }
  if (out.empty()) return "";
  return std::string("<h4>") + (correct ? "Some of those that are right" : "Wrong, surest first") +
         "</h4><div class=\"pictures" + (texts ? " texts" : "") + "\">" + out + "</div>";
}

std::string run_classes(const ReportRun& run) {
  std::string out;
  if (run.confusion) {
    out += run.confusion->labels.size() <= kTableClasses ? confusion_table(*run.confusion)
                                                         : mistakes_list(*run.confusion);
  }
  return out + documents(run.predictions, false) + documents(run.predictions, true);
}

}  // namespace

std::string classes_section(const std::vector<ReportRun>& runs) {
  std::string body;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const std::string own = run_classes(runs[i]);
    if (own.empty()) continue;
    body += runs.size() == 1
                ? own
                : "<details class=\"run\"><summary>" + swatch(i) + "<b>" +
                      escape_html(runs[i].name) + "</b></summary>" + own + "</details>";
  }
  if (body.empty()) return "";
  return "<section id=\"classes\"><h2>Held-out classes</h2>" + body + "</section>";
}

}  // namespace svtune
