#include "cli/inspect_spectrum.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

#include "base/errors.h"
#include "base/files.h"
#include "base/text_util.h"
#include "cli/core/progress.h"
#include "cli/shared_steps.h"
#include "linalg/user_svd_cache.h"
#include "report/html.h"
#include "report/spectrum_page.h"
#include "spectrum/spectrum.h"
#include "train/run_config.h"

namespace svtune {
namespace {

constexpr std::size_t kSparkWidth = 24;
constexpr std::int64_t kDefaultRank = 16;

struct Subject {
  ModelOptions model;
  std::int64_t rank = kDefaultRank;
};

// A run says where its model lies; its adapter lies within.
Subject subject_of(const std::filesystem::path& path, const SpectrumCommandOptions& options) {
  Subject subject;
  subject.model.model = path;
  subject.model.adapter = options.adapter;
  subject.model.threads = options.threads;
  if (std::filesystem::exists(path / "metrics.jsonl")) {
    const Json config = read_json_object(path / "config.json");
    const auto model = config.find("model");
    if (model == config.end() || !model->is_string()) {
      throw FileError((path / "config.json").string(), "names no model");
    }
    subject.model.model = path_in_config(path, model->get<std::string>());
    const bool has_rank = config.contains("rank") && config.at("rank").is_number_integer();
    if (has_rank) subject.rank = config.at("rank").get<std::int64_t>();
    if (!options.adapter) {
      subject.model.adapter = path / "adapter";
      if (!std::filesystem::exists(path / "adapter")) {
        throw FileError(path.string(), "the run has no adapter",
                        "It is not finished, or trained in full; name a model instead.");
      }
    }
  }
  if (options.rank) subject.rank = *options.rank;
  return subject;
}

std::string row(const SpectrumKind& kind, std::size_t name_width, std::int64_t rank,
                bool with_update) {
  std::vector<double> logarithms = mean_spectrum(kind, kSparkWidth);
  for (double& value : logarithms) value = std::log10(value);
  const auto mean = [&](const auto& value) { return kind_mean(kind, value); };
  const double largest = mean([](const SpectrumLayer& layer) { return layer.sigma.front(); });
  const double smallest = mean([](const SpectrumLayer& layer) { return layer.sigma.back(); });
  std::string text =
      pad_right(kind.name, name_width) + "  " + sparkline(logarithms) + "  " +
      pad_left(format_quantity(largest, NumberStyle::kScientific), 8) + " " +
      pad_left(format_quantity(smallest, NumberStyle::kScientific), 8) + " " +
      pad_left(percent_text(mean([&](const SpectrumLayer& layer) { return layer.energy(rank); })),
               8) +
      " " +
      pad_left(percent_text(mean([](const SpectrumLayer& layer) { return layer.quantised_error; })),
               7);
  if (!with_update) return text;
  using Part = double UpdateShares::*;
  for (const Part part : {&UpdateShares::leading, &UpdateShares::principal, &UpdateShares::medium,
                          &UpdateShares::minor}) {
    const double share = mean(
        [&](const SpectrumLayer& layer) { return layer.update ? (*layer.update).*part : 0.0; });
    text += " " + pad_left(percent_text(share), 9);
  }
  return text;
}

void print_table(const std::vector<SpectrumLayer>& layers, bool each, std::int64_t rank,
                 std::ostream& out) {
  std::vector<SpectrumKind> rows = spectrum_kinds(layers);
  if (each) {
    rows.clear();
    for (const SpectrumLayer& layer : layers) rows.push_back({layer.name, {&layer}});
  }
  std::size_t width = 6;
  for (const SpectrumKind& kind : rows) width = std::max(width, kind.name.size());
  const bool with_update = std::any_of(layers.begin(), layers.end(),
                                       [](const auto& layer) { return layer.update.has_value(); });
  out << pad_right("weight", width) << "  " << pad_right("log of singular values", kSparkWidth)
      << "   largest smallest " << pad_left("rank " + std::to_string(rank), 8) << "  NF4 err";
  if (with_update) {
    out << "   in first principal    medium     minor";
  }
  out << "\n";
  for (const SpectrumKind& kind : rows) out << row(kind, width, rank, with_update) << "\n";
}

std::vector<ReportFact> facts_of(const SpectrumInput& input) {
  const SpectrumKind all{"all", [&] {
                           std::vector<const SpectrumLayer*> layers;
                           for (const SpectrumLayer& layer : input.layers) layers.push_back(&layer);
                           return layers;
                         }()};
  if (all.layers.empty()) return {};
  const auto mean = [&](const auto& value) { return percent_text(kind_mean(all, value)); };
  return {{"Weights", std::to_string(all.layers.size())},
          {"Energy at rank " + std::to_string(input.rank),
           mean([&](const SpectrumLayer& layer) { return layer.energy(input.rank); })},
          {"Residual's spread",
           mean([](const SpectrumLayer& layer) { return layer.residual_scale; }) + " of W's"},
          {"NF4 error", mean([](const SpectrumLayer& layer) { return layer.quantised_error; })}};
}

}  // namespace

std::string sparkline(const std::vector<double>& values) {
  static constexpr const char* kLevels[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  double low = INFINITY, high = -INFINITY;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  std::string text;
  for (const double value : values) {
    if (!std::isfinite(value)) {
      text += " ";
      continue;
    }
    const double place = high > low ? (value - low) / (high - low) : 0;
    text += kLevels[std::min(7, static_cast<int>(place * 8))];
  }
  return text;
}

int inspect_spectrum(const std::filesystem::path& path, bool each,
                     const SpectrumCommandOptions& options, CommandContext& context) {
  const Subject subject = subject_of(path, options);
  std::optional<AtomicFile> page;  // begun before the work, which a wrong path would waste
  if (options.output) {
    require_page_place(*options.output);
    page.emplace(*options.output);
  }
  const LoadedModel loaded = load_for_weights(subject.model, {}, context);
  const auto cache = options.svd_cache ? open_user_svd_cache() : nullptr;
  Progress progress({.label = "decompose", .unit = "layer"});
  SpectrumOptions analysis;
  analysis.rank = subject.rank;
  if (cache) analysis.cache = &cache->svd;
  analysis.progress = [&](std::int64_t done, std::int64_t total) {
    progress.update({.done = done, .total = total});
  };
  SpectrumInput input;
  input.layers = analyse_spectrum(loaded.model, analysis);
  progress.finish();
  if (cache) {
    for (const std::string& text : cache_warnings(*cache)) context.warn(text);
    if (cache->svd.found() > 0) {
      context.out << cache->svd.found() << " decompositions read from "
                  << cache->store.directory().string() << "\n";
    }
  }
  print_table(input.layers, each, subject.rank, context.out);
  if (!page) return 0;
  const std::filesystem::path& model = subject.model.model;
  input.title =
      "Spectrum of " + (model.filename().empty() ? model.parent_path() : model).filename().string();
  input.subtitle = subject.model.adapter ? "with " + subject.model.adapter->string() : "";
  input.footer = context.program.name + " " + context.program.version;
  input.rank = subject.rank;
  input.facts = facts_of(input);
  page->write(render_spectrum(input));
  page->commit();
  context.out << options.output->string() << "\n";
  return 0;
}

}  // namespace svtune
