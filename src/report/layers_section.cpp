// Adapted layers and sample answers.
#include <algorithm>
#include <map>

#include "base/text_util.h"
#include "report/html.h"
#include "report/sections.h"

namespace svtune {
namespace {

// Layers of one kind: the same last name, shape and adapter.
struct LayerGroup {
  const ReportLayer* first = nullptr;
  std::string kind;
  std::int64_t layers = 0, parameters = 0, trainable = 0;
};

std::string kind_of(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string::npos ? name : name.substr(dot + 1);
}

std::vector<LayerGroup> group_layers(const std::vector<ReportLayer>& layers) {
  std::vector<LayerGroup> groups;
  for (const ReportLayer& layer : layers) {
    const std::string kind = kind_of(layer.name);
    auto it = std::find_if(groups.begin(), groups.end(), [&](const LayerGroup& group) {
      return group.kind == kind && group.first->shape == layer.shape &&
             group.first->adapter == layer.adapter;
    });
    if (it == groups.end()) it = groups.insert(groups.end(), {&layer, kind});
    ++it->layers;
    it->parameters += layer.parameters;
    it->trainable += layer.trainable_parameters;
  }
  return groups;
}

std::string count(std::int64_t value) {
  return format_count(static_cast<std::uint64_t>(std::max<std::int64_t>(0, value)));
}

// A bar as SVG: the page's policy forbids style attributes.
std::string share_bar(std::int64_t part, std::int64_t whole) {
  const double percent =
      whole > 0 ? 100.0 * static_cast<double>(part) / static_cast<double>(whole) : 0;
  return "<svg class=\"bar\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" "
         "aria-hidden=\"true\">"
         "<rect class=\"track\" width=\"100\" height=\"8\"/><rect class=\"fill\" width=\"" +
         coordinate(percent, 2) + "\" height=\"8\"/></svg>";
}

std::string cell(const std::string& text, bool number = false) {
  return (number ? "<td class=\"number\">" : "<td>") + escape_html(text) + "</td>";
}

std::string layer_cells(const ReportLayer& layer, std::int64_t parameters, std::int64_t trainable,
                        std::int64_t total) {
  return cell(layer.shape) + cell(layer.adapter) + cell(count(parameters), true) +
         cell(count(trainable), true) + cell(format_share(trainable, total), true);
}

std::string table_head(const char* first, bool counted) {
  return std::string("<div class=\"scroll\"><table class=\"layers\"><thead><tr><th>") + first +
         "</th>" + (counted ? "<th class=\"number\">Layers</th>" : "") +
         "<th>Shape</th><th>Adapter</th><th class=\"number\">Weights</th>"
         "<th class=\"number\">Trainable</th><th class=\"number\">Share</th>" +
         (counted ? "<th></th>" : "") + "</tr></thead><tbody>";
}

std::string group_table(const std::vector<ReportLayer>& layers, std::int64_t total) {
  std::string out = table_head("Weight", true);
  for (const LayerGroup& group : group_layers(layers)) {
    out += "<tr><th scope=\"row\"><code>" + escape_html(group.kind) + "</code></th>" +
           cell(std::to_string(group.layers), true) +
           layer_cells(*group.first, group.parameters, group.trainable, total) + "<td>" +
           share_bar(group.trainable, total) + "</td></tr>";
  }
  return out + "</tbody></table></div>";
}

std::string layer_list(const std::vector<ReportLayer>& layers, std::int64_t total) {
  std::string out = "<details class=\"list\"><summary>All " + std::to_string(layers.size()) +
                    " weights one by one</summary>" + table_head("Weight", false);
  for (const ReportLayer& layer : layers) {
    out += "<tr><th scope=\"row\"><code>" + escape_html(layer.name) + "</code></th>" +
           layer_cells(layer, layer.parameters, layer.trainable_parameters, total) + "</tr>";
  }
  return out + "</tbody></table></div></details>";
}

std::int64_t trainable_total(const ReportRun& run) {
  std::int64_t total = 0;
  for (const ReportLayer& layer : run.layers) total += layer.trainable_parameters;
  return total;
}

std::string layers_summary(const ReportRun& run) {
  const std::int64_t total = trainable_total(run);
  std::string out = count(total) + " trainable parameters in " + std::to_string(run.layers.size()) +
                    (run.layers.size() == 1 ? " weight" : " weights");
  if (run.model_parameters > 0) {
    out += ", " + format_share(total, run.model_parameters) + " of the model's " +
           count(run.model_parameters);
  }
  return out;
}

std::string layer_tables(const ReportRun& run) {
  const std::int64_t total = trainable_total(run);
  return group_table(run.layers, total) + layer_list(run.layers, total);
}

std::string answer(const ReportAnswer& answer) {
  std::string badge;
  if (answer.correct) {
    badge = *answer.correct ? "<b class=\"good\">correct</b>" : "<b class=\"bad\">wrong</b>";
  }
  const std::string text =
      answer.text.empty() ? "<i class=\"empty\">(empty)</i>" : escape_html(answer.text);
  return "<div class=\"answer\"><h4>" + escape_html(answer.label) + badge +
         "</h4><div class=\"text\">" + text + "</div></div>";
}

}  // namespace

std::string layers_section(const std::vector<ReportRun>& runs) {
  std::string body;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const ReportRun& run = runs[i];
    if (run.layers.empty()) continue;
    if (runs.size() == 1) {
      body += "<p class=\"note\">" + layers_summary(run) + "</p>" + layer_tables(run);
      continue;
    }
    body += "<details class=\"run\"><summary>" + swatch(i) + "<b>" + escape_html(run.name) +
            "</b> " + layers_summary(run) + "</summary>" + layer_tables(run) + "</details>";
  }
  if (body.empty()) return "";
  return "<section id=\"layers\"><h2>Adapted layers</h2>" + body + "</section>";
}

std::string samples_section(const std::vector<ReportSample>& samples) {
  if (samples.empty()) return "";
  std::string out = "<section id=\"samples\"><h2>Samples</h2>";
  for (const ReportSample& sample : samples) {
    out += "<article class=\"sample\"><div class=\"prompt\"><h4>Prompt</h4><div class=\"text\">" +
           escape_html(sample.prompt) + "</div>";
    if (!sample.reference.empty()) {
      out += "<h4>Reference</h4><div class=\"text\">" + escape_html(sample.reference) + "</div>";
    }
    out += "</div><div class=\"answers\">";
    for (const ReportAnswer& one : sample.answers) out += answer(one);
    out += "</div></article>";
  }
  return out + "</section>";
}

}  // namespace svtune
