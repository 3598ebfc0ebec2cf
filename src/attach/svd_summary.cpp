#include "attach/svd_summary.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/number_text.h"

namespace svtune {
namespace {

// Shares of the squared norm, of layers that have them.
struct Energies {
  const char *key, *name;
  std::int64_t layers = 0;
  double least = 1, most = 0, sum = 0;
};

struct Certificates {
  std::map<std::string, std::int64_t> algorithms;  // layers by algorithm
  std::int64_t certified = 0;
  double worst = 0;  // largest residual, relative
  std::string worst_layer;
  std::array<Energies, 2> energies = {
      {{"captured_energy", "captured energy"}, {"dropped_energy", "dropped energy"}}};
  std::int64_t fallbacks = 0;
  std::string first_fallback;  // layer and what happened
};

// "gram + block Lanczos (16 x 15)" counts as "gram + block Lanczos".
std::string without_parameters(const std::string& algorithm) {
  const std::size_t open = algorithm.find(" (");
  const bool counts = open != std::string::npos && algorithm.find(" x ", open) != std::string::npos;
  return counts ? algorithm.substr(0, open) : algorithm;
}

void add(const AdaptedLayer& layer, Certificates& all) {
  const Json& report = layer.report;
  if (!report.contains("svd")) return;
  ++all.algorithms[without_parameters(report.at("svd").get<std::string>())];
  if (report.contains("svd_fallback")) {
    if (all.fallbacks++ == 0) {
      all.first_fallback = layer.name + ": " + report.at("svd_fallback").get<std::string>();
    }
  }
  if (!report.contains("max_residual")) return;
  const double residual = report.at("max_residual").get<double>();
  if (all.certified++ == 0 || residual > all.worst) {
    all.worst = residual;
    all.worst_layer = layer.name;
  }
  for (Energies& each : all.energies) {
    if (!report.contains(each.key)) continue;
    const double energy = report.at(each.key).get<double>();
    ++each.layers;
    each.least = std::min(each.least, energy);
    each.most = std::max(each.most, energy);
    each.sum += energy;
  }
}

std::string certificate_line(const Certificates& all) {
  std::string line = "Certificate: worst residual " + scientific(all.worst, 1) +
                     " of the largest value (" + all.worst_layer + ")";
  for (const Energies& each : all.energies) {
    if (each.layers == 0) continue;
    line += std::string("; ") + each.name + " " +
            percent(each.sum / static_cast<double>(each.layers)) + " on average, " +
            percent(each.least) + " to " + percent(each.most);
  }
  return line;
}

}  // namespace

std::vector<std::string> svd_summary(const StartReport& report) {
  Certificates all;
  for (const AdaptedLayer& layer : report.layers) add(layer, all);
  if (all.algorithms.empty()) return {};
  std::string line = "Decomposition: ";
  for (const auto& [algorithm, count] : all.algorithms) {
    if (!line.ends_with(": ")) line += ", ";
    line += std::to_string(count) + " x " + algorithm;
  }
  if (report.cached > 0) line += "; " + std::to_string(report.cached) + " read from the cache";
  std::vector<std::string> lines = {line};
  if (all.certified > 0) lines.push_back(certificate_line(all));
  if (all.fallbacks > 0) {
    lines.push_back("Fallback: " + std::to_string(all.fallbacks) +
                    (all.fallbacks == 1 ? " layer" : " layers") +
                    " needed another decomposition than planned, first " + all.first_fallback);
  }
  return lines;
}

}  // namespace svtune
