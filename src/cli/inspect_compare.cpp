#include "cli/inspect_compare.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "adapter_files/named_path.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/number_text.h"
#include "base/text_util.h"
#include "cli/core/progress.h"
#include "cli/shared_steps.h"
#include "linalg/user_svd_cache.h"
#include "report/comparison_page.h"
#include "report/html.h"
#include "spectrum/compare.h"

namespace svtune {
namespace {

constexpr std::int64_t kComparedRank = 16;

std::string comparison_row(const std::string& name, std::size_t width, std::int64_t layers,
                           const UpdateFigures& figures) {
  const UpdateShares& shares = figures.shares;
  std::string text = pad_right(name, width) + pad_left(std::to_string(layers), 8) +
                     pad_left(percent_text(shares.relative_norm), 10) +
                     pad_left(fixed(figures.effective_rank, 1), 10);
  for (const double share : {shares.leading, shares.principal, shares.medium, shares.minor}) {
    text += pad_left(percent_text(share), 10);
  }
  return text + pad_left(std::to_string(figures.intruders), 10) +
         pad_left(fixed(figures.lowest_cosine(), 3), 8) +
         pad_left(percent_text(figures.drift), 10) + "\n";
}

std::string head(std::size_t width) {
  return "weight" + std::string(width - 6, ' ') +
         "  layers   dW / W  eff. rank  in first principal    medium     minor intruders  cosine "
         "    drift\n";
}

void print_adapter(const ComparisonInput& input, std::size_t adapter, bool each,
                   std::ostream& out) {
  std::vector<ComparedKind> rows = compared_kinds(input.layers, adapter);
  if (each) {
    rows.clear();
    for (const ComparedLayer& layer : input.layers) {
      if (layer.updates[adapter]) rows.push_back({layer.name, 1, *layer.updates[adapter]});
    }
  }
  std::size_t width = 6;
  for (const ComparedKind& kind : rows) width = std::max(width, kind.name.size());
  out << input.adapters[adapter] << "\n" << head(width);
  for (const ComparedKind& kind : rows)
    out << comparison_row(kind.name, width, kind.layers, kind.mean);
  const ComparedKind total = compared_total(input.layers, adapter);
  out << comparison_row("all", width, total.layers, total.mean);
}

// A candidate as it was loaded.
struct Loaded {
  std::unique_ptr<LoadedModel> model;
  bool whole = false;
};

Loaded load_candidate(const std::filesystem::path& base, const std::filesystem::path& given,
                      const SpectrumCommandOptions& common, CommandContext& context) {
  std::filesystem::path path = given;
  if (std::filesystem::exists(path / "metrics.jsonl")) {
    path /= std::filesystem::exists(path / "adapter") ? "adapter" : "model";
  }
  ModelOptions options;
  options.threads = common.threads;
  const bool whole = !is_adapter_directory(path);
  options.model = whole ? path : base;
  if (!whole) options.adapter = path;
  return {std::make_unique<LoadedModel>(load_for_command(options, context)), whole};
}

// A base without a head is loaded with one of the candidates' kind; heads are not compared.
NewHead head_of(const Model& candidate) {
  const ArchSpec& spec = candidate.spec();
  if (spec.task == HeadTask::kNextToken) return {};
  return {spec.task, std::max<std::int64_t>(1, spec.num_labels)};
}

}  // namespace

int inspect_compare(const std::filesystem::path& base, const std::vector<std::string>& candidates,
                    bool each, const SpectrumCommandOptions& common,
                    const CompareCommandOptions& options, CommandContext& context) {
  const std::vector<NamedPath> named = parse_named_paths(candidates, "--compare");
  std::optional<AtomicFile> page;  // begun before the work, which a wrong path would waste
  if (common.output) {
    require_page_place(*common.output);
    page.emplace(*common.output);
  }
  std::vector<Loaded> others;
  std::vector<Candidate> compared;
  for (const NamedPath& one : named) {
    others.push_back(load_candidate(base, one.path, common, context));
    compared.push_back({&others.back().model->model, others.back().whole});
  }
  ModelOptions base_options;
  base_options.model = base;
  base_options.threads = common.threads;
  const LoadedModel loaded =
      load_for_weights(base_options, head_of(others.front().model->model), context);
  const auto cache = common.svd_cache ? open_user_svd_cache() : nullptr;
  Progress progress({.label = "decompose", .unit = "layer"});
  CompareOptions analysis;
  analysis.rank = common.rank.value_or(kComparedRank);
  analysis.top = options.intruder_top;
  analysis.threshold = options.intruder_threshold;
  if (cache) analysis.cache = &cache->svd;
  analysis.progress = [&](std::int64_t done, std::int64_t total) {
    progress.update({.done = done, .total = total});
  };
  ComparisonInput input;
  input.layers = compare_weights(loaded.model, compared, analysis);
  progress.finish();
  if (cache) {
    for (const std::string& text : cache_warnings(*cache)) context.warn(text);
  }
  input.adapters = names_of(named);
  input.rank = analysis.rank;
  input.top = analysis.top;
  input.threshold = analysis.threshold;
  for (std::size_t a = 0; a < input.adapters.size(); ++a) {
    print_adapter(input, a, each, context.out);
  }
  if (!page) return 0;
  input.title =
      "Updates of " + (base.filename().empty() ? base.parent_path() : base).filename().string();
  input.subtitle = join(input.adapters, ", ");
  input.footer = context.program.name + " " + context.program.version;
  page->write(render_comparison(input));
  page->commit();
  context.out << common.output->string() << "\n";
  return 0;
}

}  // namespace svtune
