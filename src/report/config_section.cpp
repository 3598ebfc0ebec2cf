// Legend of the runs and their options side by side.
#include <algorithm>

#include "report/html.h"
#include "report/sections.h"

namespace svtune {
namespace {

std::string config_text(const ReportRun& run, const std::string& key) {
  const auto it = run.config.find(key);
  if (it == run.config.end()) return "";
  return it->is_string() ? it->get<std::string>() : dump_json(*it);
}

std::string config_rows(const std::vector<ReportRun>& runs, const std::vector<std::string>& keys) {
  std::string out;
  for (const std::string& key : keys) {
    out += "<tr><th scope=\"row\"><code>" + escape_html(key) + "</code></th>";
    for (const ReportRun& run : runs) {
      out += "<td><code>" + escape_html(config_text(run, key)) + "</code></td>";
    }
    out += "</tr>";
  }
  return out;
}

std::string config_table(const std::vector<ReportRun>& runs, const std::vector<std::string>& keys) {
  std::string out = "<div class=\"scroll\"><table class=\"config\">";
  if (runs.size() > 1) {
    out += "<thead><tr><th>Option</th>";
    for (std::size_t i = 0; i < runs.size(); ++i)
      out += "<th>" + swatch(i) + escape_html(runs[i].name) + "</th>";
    out += "</tr></thead>";
  }
  return out + "<tbody>" + config_rows(runs, keys) + "</tbody></table></div>";
}

}  // namespace

std::string legend_section(const std::vector<ReportRun>& runs) {
  std::string out;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const std::string index = std::to_string(i);
    out += "<label><input type=\"checkbox\" checked data-run=\"" + index + "\">" + swatch(i) +
           escape_html(runs[i].name) + "</label>";
  }
  return out;
}

std::string config_section(const std::vector<ReportRun>& runs) {
  std::vector<std::string> keys;
  for (const ReportRun& run : runs) {
    if (!run.config.is_object()) continue;
    for (const auto& [key, value] : run.config.items()) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  if (keys.empty()) return "";
  std::vector<std::string> different;
  for (const std::string& key : keys) {
    const std::string first = config_text(runs.front(), key);
    const bool same = std::all_of(runs.begin(), runs.end(), [&](const ReportRun& run) {
      return config_text(run, key) == first;
    });
    if (!same) different.push_back(key);
  }
  std::string out = "<section id=\"config\"><h2>Configuration</h2>";
  if (!different.empty()) {
    out += "<p class=\"note\">Options that differ between the runs</p>";
    out += config_table(runs, different);
  }
  out += "<details" + std::string(runs.size() == 1 && keys.size() <= 24 ? " open" : "") +
         "><summary>All " + std::to_string(keys.size()) + " options</summary>" +
         config_table(runs, keys) + "</details>";
  return out + "</section>";
}

}  // namespace svtune
