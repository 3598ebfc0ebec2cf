#include "export/mix.h"

#include <algorithm>
#include <utility>

#include "adapter_files/low_rank_export.h"
#include "base/errors.h"
#include "base/hash.h"
#include "base/random.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr double kWithoutLoss = 1e-7;  // of the joined factors, relative; fp32 rounds by as much

// The largest entries by magnitude.
at::Tensor largest_entries(const at::Tensor& change, double density) {
  const auto count = static_cast<std::int64_t>(density * static_cast<double>(change.numel()));
  const at::Tensor flat = change.reshape({-1});
  const at::Tensor places = std::get<1>(at::topk(flat.abs(), count));
  return at::zeros_like(flat)
      .index_copy_(0, places, flat.index_select(0, places))
      .view(change.sizes());
}

// Entries drawn with probability `density`, divided by it.
at::Tensor drawn_entries(const at::Tensor& change, double density, std::uint64_t seed) {
  const at::Tensor result = at::empty(change.sizes(), at::kFloat);
  const at::Tensor dense = change.contiguous();
  const float* from = dense.const_data_ptr<float>();
  float* to = result.mutable_data_ptr<float>();
  Xoshiro256 random(seed);
  for (std::int64_t i = 0; i < dense.numel(); ++i) {
    to[i] = random.uniform() < density ? static_cast<float>(from[i] / density) : 0.0F;
  }
  return result;
}

at::Tensor thinned(const at::Tensor& change, const MixConfig& config, std::uint64_t seed) {
  if (config.rule == MixRule::kLinear || config.density >= 1) return change;
  if (config.rule == MixRule::kTies) return largest_entries(change, config.density);
  return drawn_entries(change, config.density, seed);
}

// Where an entry has the sign that its place gets; a sum of zero counts as positive, as in PEFT.
at::Tensor agreement(const at::Tensor& stacked, MajoritySign rule) {
  const at::Tensor sign = stacked.sign();
  const at::Tensor votes = (rule == MajoritySign::kTotal ? stacked : sign).sum(0);
  const at::Tensor majority = at::where(votes >= 0, at::ones_like(votes), -at::ones_like(votes));
  return sign == majority;
}

}  // namespace

at::Tensor mix_changes(const std::vector<at::Tensor>& changes, const std::vector<double>& weights,
                       const MixConfig& config, const std::vector<std::uint64_t>& seeds) {
  std::vector<at::Tensor> kept;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    kept.push_back(thinned(changes[i], config, seeds.empty() ? 0 : seeds.at(i)));
  }
  const bool votes = config.rule == MixRule::kTies || config.rule == MixRule::kDareTies;
  if (!votes) {
    at::Tensor sum = kept[0] * weights[0];
    for (std::size_t i = 1; i < kept.size(); ++i) sum.add_(kept[i], weights[i]);
    return sum;
  }
  const at::Tensor agree = agreement(at::stack(kept), config.majority_sign);
  at::Tensor sum = at::zeros_like(kept[0]);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    sum.add_(kept[i] * agree[static_cast<std::int64_t>(i)], weights[i]);
  }
  return sum / agree.sum(0).clamp_min(1);
}

namespace {

struct LayerPart {
  const Adapter* adapter = nullptr;
  double weight = 1;
  std::uint64_t seed = 0;
};

// A layer's adapters as one, for merging and exporting.
class MixedAdapter final : public Adapter {
 public:
  MixedAdapter(std::vector<LayerPart> parts, std::int64_t out, std::int64_t in,
               const MixConfig& config)
      : parts_(std::move(parts)), config_(config), out_(out), in_(in) {}

  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override {
    const at::Tensor bias = output_bias();
    return at::linear(x, merged_weight(base).to(x.scalar_type()),
                      bias.defined() ? bias.to(x.scalar_type()) : bias);
  }

  at::Tensor merged_weight(const BaseWeight& base) const override {
    const at::NoGradGuard no_grad;
    const at::Tensor weight = base.dense_high_precision();
    std::vector<at::Tensor> changes;
    std::vector<double> weights;
    std::vector<std::uint64_t> seeds;
    for (const LayerPart& part : parts_) {
      changes.push_back(change_of(part, base, weight));
      weights.push_back(part.weight);
      seeds.push_back(part.seed);
    }
    return weight + mix_changes(changes, weights, config_, seeds).to(weight.scalar_type());
  }

  at::Tensor output_bias() const override {
    at::Tensor sum;
    for (const LayerPart& part : parts_) {
      if (!part.adapter) continue;
      const at::Tensor bias = part.adapter->output_bias();
      if (!bias.defined()) continue;
      const at::Tensor weighted = bias * part.weight;
      sum = sum.defined() ? sum + weighted : weighted;
    }
    return sum;
  }

  std::vector<Trainable> trainables() override { return {}; }

  std::optional<LowRankDelta> low_rank_delta() const override {
    if (config_.rule != MixRule::kLinear) return std::nullopt;
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> downs, ups;
    for (const LayerPart& part : parts_) {
      if (!part.adapter) continue;
      const std::optional<LowRankDelta> delta = part.adapter->low_rank_delta();
      if (!delta) return std::nullopt;
      downs.push_back(delta->down.to(at::kDouble));
      ups.push_back(delta->up.to(at::kDouble) * (delta->scale * part.weight));
    }
    double error = 0, norm = 0;
    return recompress({at::cat(downs, 0), at::cat(ups, 1), 1.0}, {.tolerance = kWithoutLoss}, error,
                      norm);
  }

  AdapterMemory memory(std::int64_t) const override { return {}; }

 private:
  at::Tensor change_of(const LayerPart& part, const BaseWeight& base,
                       const at::Tensor& weight) const {
    if (!part.adapter) return at::zeros({out_, in_}, at::kFloat);
    if (const auto delta = part.adapter->low_rank_delta()) {
      return at::mm(delta->up, delta->down).mul_(delta->scale).to(at::kFloat);
    }
    return (part.adapter->merged_weight(base) - weight).to(at::kFloat);
  }

  std::vector<LayerPart> parts_;
  MixConfig config_;
  std::int64_t out_, in_;
};

void require_mixable(const MixPart& part, const MixConfig& config) {
  const LoadedAdapter& adapter = *part.loaded->adapter;
  const auto refuse = [&](const std::string& what, const std::string& hint) {
    throw UsageError("adapter " + part.name + " " + what, hint);
  };
  const std::string alone = "Merge it alone into a model, and train or mix the others on that.";
  if (!part.loaded->model.layer_replication.empty()) {
    refuse("repeats layers of the model, which has no place in a mix", "Merge it alone.");
  }
  if (adapter.record.needs_its_base) {
    refuse("stands on a quantised base of its own", "Merge it alone.");
  }
  for (const ExtraTrainable& extra : adapter.adapters.extras) {
    refuse("trains " + extra.name + " beside the layers, which has no place in a mix", alone);
  }
  for (const Linear* layer : adapter.adapters.layers) {
    if (layer->adapter()->plain_weight().defined()) {
      refuse("trains " + layer->name() + " as a whole, which has no place in a mix", alone);
    }
    if (config.rule != MixRule::kLinear && layer->adapter()->output_bias().defined()) {
      refuse("adds a bias to " + layer->name() + ", of which this rule has no sum",
             "Use --mix linear.");
    }
  }
}

}  // namespace

LoadedAdapter mix_adapters(Model& base, const std::vector<MixPart>& parts,
                           const MixConfig& config) {
  std::map<std::string, std::vector<LayerPart>> layers;
  for (std::size_t k = 0; k < parts.size(); ++k) {
    require_mixable(parts[k], config);
    for (const Linear* layer : parts[k].loaded->adapter->adapters.layers) {
      std::vector<LayerPart>& list = layers[layer->name()];
      list.resize(parts.size());
      list[k].adapter = layer->adapter();
    }
  }
  LoadedAdapter mixed;
  mixed.adapters.method = "mix";
  mixed.record.method = low_rank_method({});
  mixed.record.prompt = parts.front().loaded->adapter->record.prompt;
  for (Linear* layer : base.net->linears()) {
    const auto found = layers.find(layer->name());
    if (found == layers.end()) continue;
    if (layer == &base.net->head() && base.net->head_is_tied()) base.net->untie_head();
    for (std::size_t k = 0; k < parts.size(); ++k) {
      LayerPart& part = found->second[k];
      part.weight = parts[k].weight;
      part.seed = derive_seed(config.seed, parts[k].name, layer->name());
    }
    layer->attach(std::make_unique<MixedAdapter>(found->second, layer->out_features(),
                                                 layer->in_features(), config));
    mixed.adapters.layers.push_back(layer);
  }
  return mixed;
}

}  // namespace svtune
