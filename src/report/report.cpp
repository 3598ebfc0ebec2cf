#include "report/report.h"

#include "base/hash.h"
#include "base/text_util.h"
#include "report/assets.h"
#include "report/charts.h"
#include "report/html.h"
#include "report/sections.h"

namespace svtune {
namespace {

std::string chart_card(const Chart& chart, double smoothing, const StepRange& steps) {
  const std::string id(chart.spec->id);
  return "<figure class=\"card\" id=\"chart-" + id + "\" tabindex=\"0\"><figcaption><b>" +
         escape_html(chart.spec->title) + "</b><span>" + escape_html(chart.unit) +
         "</span><button type=\"button\" class=\"log\" aria-pressed=\"false\" "
         "title=\"Logarithmic axis\">log</button></figcaption><div class=\"plot\">" +
         chart_svg(chart, smoothing, steps) + "</div></figure>";
}

std::string charts_section(const std::vector<Chart>& charts) {
  if (charts.empty()) return "<p class=\"note\">No metrics were recorded.</p>";
  const double smoothing = default_smoothing(charts);
  std::string out;
  const StepRange steps = step_range(charts);
  for (const Chart& chart : charts) out += chart_card(chart, smoothing, steps);
  return out;
}

// The values are inserted in one pass: a "{{" inside a run's name is never looked at again.
std::string fill_template(std::string_view page,
                          const std::vector<std::pair<std::string_view, std::string>>& values) {
  std::string out;
  std::size_t at = 0;
  while (true) {
    const std::size_t open = page.find("{{", at);
    if (open == std::string_view::npos) return out.append(page.substr(at));
    const std::size_t close = page.find("}}", open);
    out += page.substr(at, open - at);
    const std::string_view name = page.substr(open + 2, close - open - 2);
    for (const auto& [key, value] : values) {
      if (key == name) out += value;
    }
    at = close + 2;
  }
}

// Names this page's own style and script to the browser, which then runs no others.
std::string page_nonce(const std::string& content) {
  const auto bytes = std::as_bytes(std::span(content));
  return hex64(hash64(bytes, 1)) + hex64(hash64(bytes, 2));
}

}  // namespace

std::string render_report(const ReportInput& input) {
  const std::vector<Chart> charts = make_charts(input.runs);
  const std::string data = escape_script_json(dump_json(chart_data(charts, input.runs)));
  std::string body = figures_section(input.runs);
  const std::string after = classes_section(input.runs) + layers_section(input.runs) +
                            samples_section(input.samples) + config_section(input.runs);
  const std::string cards = charts_section(charts);
  const std::string nonce = page_nonce(data + body + after + cards);
  return fill_template(assets::kPageHtml, {{"nonce", nonce},
                                           {"title", escape_html(input.title)},
                                           {"subtitle", escape_html(input.subtitle)},
                                           {"style", std::string(assets::kReportCss)},
                                           {"legend", legend_section(input.runs)},
                                           {"single", input.runs.size() == 1 ? " single" : ""},
                                           {"figures", body},
                                           {"charts", cards},
                                           {"sections", after},
                                           {"footer", escape_html(input.footer)},
                                           {"data", data},
                                           {"script", std::string(assets::kReportJs)}});
}

}  // namespace svtune
