#include "attach/calibrate.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attach/observing_adapter.h"
#include "attach/train_plan.h"
#include "base/errors.h"
#include "base/hash.h"
#include "libtorch/prelude.h"
#include "linalg/parallel.h"

namespace svtune {
namespace {

// Those that will receive an adapter of the method itself.
std::vector<Linear*> adapted_layers_of(Network& net, const TargetOptions& targets) {
  const TargetSelection selection = select_targets(net, targets);
  const std::set<std::string> adapted(selection.adapted.begin(), selection.adapted.end());
  std::vector<Linear*> layers;
  for (Linear* layer : net.linears()) {
    const bool saved = std::ranges::any_of(selection.saved, [&](const std::string& module) {
      return is_below_module(layer->name() + ".weight", module);
    });
    if (adapted.contains(layer->name()) && !saved) layers.push_back(layer);
  }
  return layers;
}

std::int64_t sum_bytes(const Linear& layer, const CalibrationPlan& plan) {
  const std::int64_t size = layer.base().dtype() == at::kDouble ? 8 : 4;
  const bool inputs = plan.sum == CalibrationSum::kInputs;
  return size * layer.in_features() * (inputs ? layer.in_features() : layer.out_features());
}

std::vector<std::vector<Linear*>> groups_of(const std::vector<Linear*>& layers,
                                            const CalibrationPlan& plan, std::int64_t most) {
  std::vector<std::vector<Linear*>> groups;
  std::int64_t bytes = 0;
  for (Linear* layer : layers) {
    const std::int64_t own = sum_bytes(*layer, plan);
    if (groups.empty() || bytes + own > most) {
      groups.emplace_back();
      bytes = 0;
    }
    groups.back().push_back(layer);
    bytes += own;
  }
  return groups;
}

// Layers that read one input share what is summed of it: the first of them stands for all.
std::map<const Linear*, const Linear*> first_of_inputs(Network& net) {
  std::map<const Linear*, const Linear*> first;
  for (const Block& block : net.blocks()) {
    for (const SharedInput& input : block.inputs()) {
      for (const Linear* layer : input.layers) first[layer] = input.layers.front();
    }
  }
  return first;
}

std::int64_t bytes_of_sums(const std::vector<Linear*>& group, const CalibrationPlan& plan,
                           const std::map<const Linear*, const Linear*>& first) {
  std::set<const Linear*> summed;
  std::int64_t bytes = 0;
  for (const Linear* layer : group) {
    const auto shared = first.find(layer);
    const bool shares = plan.sum == CalibrationSum::kInputs && shared != first.end();
    if (summed.insert(shares ? shared->second : layer).second) bytes += sum_bytes(*layer, plan);
  }
  return bytes;
}

// Of the layers whose starts are made at once, at worst.
std::int64_t bytes_of_work(std::vector<std::int64_t> works) {
  const auto threads = std::min(works.size(), static_cast<std::size_t>(at::get_num_threads()));
  std::ranges::sort(works, std::ranges::greater{});
  return std::accumulate(works.begin(), works.begin() + static_cast<std::ptrdiff_t>(threads),
                         std::int64_t{0});
}

// The layers of a group under observation; afterwards they are as they were.
class Observed {
 public:
  Observed(const std::vector<Linear*>& layers, ObservedPass& pass) : layers_(layers) {
    for (Linear* layer : layers_) layer->attach(std::make_unique<ObservingAdapter>(pass));
  }
  ~Observed() {
    for (Linear* layer : layers_) layer->detach();
  }
  Observed(const Observed&) = delete;
  Observed& operator=(const Observed&) = delete;

  std::vector<std::shared_ptr<LayerObservation>> observations() const {
    std::vector<std::shared_ptr<LayerObservation>> list;
    for (const Linear* layer : layers_) {
      list.push_back(dynamic_cast<ObservingAdapter&>(*layer->adapter()).observation());
    }
    return list;
  }

 private:
  const std::vector<Linear*>& layers_;
};

// With its size: what ends one part is not what begins the next.
void add_bytes(Hasher64& hasher, const void* bytes, std::size_t size) {
  hasher.update(std::to_string(size) + ":");
  if (size > 0) hasher.update(std::string_view(static_cast<const char*>(bytes), size));
}

// Everything that the network reads of a batch, and what it learns from it.
void add_batch(Hasher64& hasher, const Batch& batch) {
  add_bytes(hasher, batch.offsets.data(), batch.offsets.size() * sizeof(std::int32_t));
  for (const at::Tensor& part : {batch.tokens, batch.positions, batch.token_types, batch.images,
                                 batch.supervised, batch.targets, batch.document_targets}) {
    const at::Tensor values = part.defined() ? part.cpu().contiguous() : at::empty({0});
    add_bytes(hasher, values.const_data_ptr(), values.nbytes());
  }
}

// |cosine| of each row with that of `earlier`, all of unit length; 0 where there is none.
std::vector<double> cosines_of(const at::Tensor& rows, const at::Tensor& earlier) {
  std::vector<double> cosines(static_cast<std::size_t>(rows.size(0)), 0.0);
  if (!earlier.defined()) return cosines;
  const at::Tensor products = (rows * earlier).sum(1).abs().to(at::kDouble).contiguous();
  const double* data = products.const_data_ptr<double>();
  cosines.assign(data, data + products.size(0));
  return cosines;
}

class DataPass {
 public:
  DataPass(Model& model, const MethodConfig& method, std::span<const Batch> batches)
      : net_(*model.net),
        method_(method),
        plan_(*method_calibration_plan(method)),
        batches_(batches) {
    for (const Batch& batch : batches_) {
      tokens_ += batch.num_tokens();
      supervised_ += batch.num_supervised();
    }
    if (needs_targets() && supervised_ == 0) {
      throw UsageError(
          "the first batches hold no token that is learnt, so that nothing can be "
          "found on them",
          "Raise --calibration-batches, or check the columns and the template.");
    }
  }

  const CalibrationPlan& plan() const { return plan_; }

  // The sums of a group, and the starts that they give.
  std::vector<CalibratedLayer> run(const std::vector<Linear*>& group,
                                   const std::function<void()>& passed) {
    ObservedPass pass;
    pass.plan = plan_;
    std::vector<std::shared_ptr<LayerObservation>> seen;
    std::vector<CalibratedLayer> earlier;
    {
      const Observed observed(group, pass);
      const std::vector<Linear*> of_head = net_.head_linears();
      const auto is_of_head = [&](Linear* layer) { return std::ranges::count(of_head, layer) > 0; };
      const bool head = std::ranges::any_of(group, is_of_head);
      for (std::size_t i = 0; i < batches_.size(); ++i) {
        const Batch& batch = batches_[i];
        if (compares() && i == batches_.size() / 2) {
          earlier = starts_of(group, observed.observations(), /*half=*/true);
        }
        if (!needs_targets() || batch.num_supervised() > 0) run_batch(pass, batch, head);
        passed();
      }
      pass.last_input = at::Tensor();
      seen = observed.observations();
    }
    std::vector<CalibratedLayer> starts = starts_of(group, seen, /*half=*/false);
    for (std::size_t i = 0; i < earlier.size(); ++i) {
      cosines_.push_back(cosines_of(starts[i].start.down, earlier[i].start.down));
    }
    return starts;
  }

  // Of the layers of all groups that have run: the share of their first `ranks` rows that have
  // settled. Nothing where none is compared.
  std::optional<double> settled(const std::vector<std::int64_t>& ranks) const {
    if (cosines_.empty()) return std::nullopt;
    std::int64_t rows = 0, settled = 0;
    for (std::size_t i = 0; i < cosines_.size(); ++i) {
      for (std::int64_t row = 0; row < ranks[i]; ++row) {
        ++rows;
        if (cosines_[i][static_cast<std::size_t>(row)] >= kSettled) ++settled;
      }
    }
    return static_cast<double>(settled) / static_cast<double>(std::max<std::int64_t>(rows, 1));
  }

  Json record(std::size_t groups) const {
    Hasher64 hasher;
    for (const Batch& batch : batches_) add_batch(hasher, batch);
    return {{"batches", batches_.size()},
            {"tokens", tokens_},
            {"supervised_tokens", supervised_},
            {"data", hex64(hasher.digest())},
            {"passes", groups}};
  }

 private:
  bool needs_targets() const { return plan_.supervised || plan_.sum == CalibrationSum::kGradient; }
  bool compares() const { return plan_.compares_half && batches_.size() > 1; }

  void run_batch(ObservedPass& pass, const Batch& batch, bool head) {
    pass.tokens = batch.num_tokens();
    pass.supervised = batch.supervised;
    if (plan_.sum == CalibrationSum::kGradient) {
      net_.loss(batch).backward();
      return;
    }
    const at::NoGradGuard no_grad;
    if (head && batch.num_supervised() > 0) {
      net_.loss(batch);
    } else {
      net_.forward(batch);
    }
  }

  std::vector<CalibratedLayer> starts_of(const std::vector<Linear*>& group,
                                         const std::vector<std::shared_ptr<LayerObservation>>& seen,
                                         bool half) const {
    std::vector<CalibratedLayer> starts(group.size());
    for_each_matrix(static_cast<std::int64_t>(group.size()), [&](std::int64_t i) {
      const auto at = static_cast<std::size_t>(i);
      const Linear& layer = *group[at];
      if (!seen[at] || !seen[at]->matrix.defined()) {
        if (half) return;
        throw ModelError(layer.name() + ": no token of the batches reached this layer",
                         "Raise --calibration-batches, or leave it out of the targets.");
      }
      LayerSums sums = seen[at]->sums(plan_);
      sums.half = half;
      if (plan_.sum == CalibrationSum::kGradient) {
        sums.matrix = sums.matrix / static_cast<double>(supervised_);
      }
      starts[at] = method_calibrated_start(method_, {layer.name(), layer.base(), 0}, sums);
    });
    return starts;
  }

  Network& net_;
  const MethodConfig& method_;
  CalibrationPlan plan_;
  std::span<const Batch> batches_;
  std::int64_t tokens_ = 0, supervised_ = 0;
  std::vector<std::vector<double>> cosines_;  // by layer, where they are compared
};

// As many rows as the ranks together, the most valuable of all layers; equals go by position.
std::map<std::string, std::int64_t> spread_ranks(const std::vector<Linear*>& layers,
                                                 const std::vector<CalibratedLayer>& found) {
  struct Row {
    double worth;
    std::size_t layer;
  };
  std::vector<Row> rows;
  std::int64_t budget = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    budget += found[i].rank;
    for (const double worth : found[i].worth) rows.push_back({worth, i});
  }
  std::ranges::stable_sort(rows, std::ranges::greater{}, &Row::worth);
  std::map<std::string, std::int64_t> ranks;
  for (const Linear* layer : layers) ranks[layer->name()] = 0;
  const auto kept = std::min<std::size_t>(rows.size(), static_cast<std::size_t>(budget));
  for (std::size_t i = 0; i < kept; ++i) ++ranks[layers[rows[i].layer]->name()];
  return ranks;
}

// The same modules less those of rank 0, which PEFT leaves alone as well.
TargetOptions without_empty(const TargetOptions& targets,
                            std::map<std::string, std::int64_t>& ranks,
                            const std::vector<Linear*>& layers) {
  if (std::erase_if(ranks, [](const auto& item) { return item.second == 0; }) == 0) return targets;
  TargetOptions left = targets;
  left.target_modules.clear();
  for (const Linear* layer : layers) {
    if (ranks.contains(layer->name())) left.target_modules.push_back(layer->name());
  }
  left.target_regex.reset();
  left.exclude_modules.clear();
  left.exclude_regex.reset();
  left.layers_to_transform.clear();
  left.layers_pattern.clear();
  return left;
}

}  // namespace

CalibrationNeed calibration_need(Model& model, const MethodConfig& method,
                                 const TargetOptions& targets, std::int64_t memory_bytes) {
  const CalibrationPlan plan = *method_calibration_plan(method);
  const auto groups = groups_of(adapted_layers_of(*model.net, with_own_modules(model, targets)),
                                plan, memory_bytes);
  const std::map<const Linear*, const Linear*> first = first_of_inputs(*model.net);
  CalibrationNeed need;
  need.backward = plan.sum == CalibrationSum::kGradient;
  for (const std::vector<Linear*>& group : groups) {
    std::vector<std::int64_t> works;
    for (const Linear* layer : group) {
      const CalibrationCost cost =
          method_calibration_cost(method, {layer->name(), layer->base(), 0});
      need.starts += cost.start * (plan.compares_half ? 2 : 1);
      // A copy of the sums about the mean, for which a product in fp64 is taken off, or per token.
      const std::int64_t sum = sum_bytes(*layer, plan);
      const bool copied = plan.centred || need.backward;
      works.push_back((copied ? sum : 0) + std::max(plan.centred ? 2 * sum : 0, cost.work));
    }
    need.work = std::max(need.work, bytes_of_work(std::move(works)));
    need.sums = std::max(need.sums, bytes_of_sums(group, plan, first));
  }
  if (!groups.empty()) need.layers = groups.front();
  return need;
}

Calibration calibrate(Model& model, const MethodConfig& method, const TargetOptions& targets,
                      std::span<const Batch> batches, const CalibrationOptions& options) {
  DataPass pass(model, method, batches);
  const std::vector<Linear*> layers =
      adapted_layers_of(*model.net, with_own_modules(model, targets));
  for (const Linear* layer : layers) {
    if (layer->adapter()) {
      throw ModelError(layer->name() + ": the layer already carries an adapter");
    }
    check_method_layer(method, {layer->name(), layer->base(), 0});
  }
  const auto groups = groups_of(layers, pass.plan(), options.memory_bytes);
  const auto total = static_cast<std::int64_t>(groups.size() * batches.size());
  std::int64_t done = 0;
  const auto passed = [&] {
    ++done;
    if (options.progress) options.progress(done, total);
  };
  std::vector<CalibratedLayer> found;
  for (const auto& group : groups) {
    for (CalibratedLayer& layer : pass.run(group, passed)) found.push_back(std::move(layer));
  }
  Calibration result{method, targets, {}, pass.record(groups.size())};
  const bool spreads =
      std::ranges::any_of(found, [](const CalibratedLayer& layer) { return !layer.worth.empty(); });
  std::vector<std::int64_t> kept;
  for (const CalibratedLayer& layer : found) kept.push_back(layer.rank);
  if (spreads) {
    std::map<std::string, std::int64_t> ranks = spread_ranks(layers, found);
    for (std::size_t i = 0; i < layers.size(); ++i) kept[i] = ranks.at(layers[i]->name());
    result.targets = without_empty(targets, ranks, layers);
    result.method = method_with_ranks(method, ranks);
  }
  if (const auto settled = pass.settled(kept)) result.record["settled"] = *settled;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    result.starts[layers[i]->name()] = std::move(found[i].start);
  }
  return result;
}

}  // namespace svtune
