#include "train/start_products.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <utility>

#include "libtorch/prelude.h"

namespace svtune {
namespace {

// Computes as the adapter that it holds, and beside it what the base does with the same inputs.
class WatchingAdapter final : public Adapter {
 public:
  explicit WatchingAdapter(std::unique_ptr<Adapter> watched) : watched_(std::move(watched)) {}

  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override {
    at::Tensor y = watched_->forward(x, base);
    if (!base.defined()) return y;
    const at::NoGradGuard no_grad;
    const at::Tensor expected = base.matmul(x).to(at::kFloat);
    distance_ += (y.to(at::kFloat) - expected).square().sum().item<double>();
    size_ += expected.square().sum().item<double>();
    return y;
  }
  at::Tensor merged_weight(const BaseWeight& base) const override {
    return watched_->merged_weight(base);
  }
  at::Tensor output_bias() const override { return watched_->output_bias(); }
  std::vector<Trainable> trainables() override { return watched_->trainables(); }
  at::Tensor plain_weight() const override { return watched_->plain_weight(); }
  AdapterMemory memory(std::int64_t tokens) const override { return watched_->memory(tokens); }
  void begin_micro_batch(bool training, std::uint64_t seed) override {
    watched_->begin_micro_batch(training, seed);
  }

  double error() const { return std::sqrt(size_ > 0 ? distance_ / size_ : distance_); }
  std::unique_ptr<Adapter> release() { return std::move(watched_); }

 private:
  std::unique_ptr<Adapter> watched_;
  double distance_ = 0, size_ = 0;  // squares
};

// Watches all layers for as long as it lives.
class Watch {
 public:
  explicit Watch(const std::vector<Linear*>& layers) {
    for (Linear* layer : layers) {
      auto watching = std::make_unique<WatchingAdapter>(layer->detach());
      watched_.emplace_back(layer, watching.get());
      layer->attach(std::move(watching));
    }
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() {
    for (const auto& [layer, watching] : watched_) {
      std::unique_ptr<Adapter> own = watching->release();
      layer->detach().reset();
      layer->attach(std::move(own));
    }
  }

  std::vector<LayerStart> errors() const {
    std::vector<LayerStart> list;
    for (const auto& [layer, watching] : watched_) {
      if (watching->error() > 0) list.push_back({layer, watching->error()});
    }
    std::ranges::stable_sort(list, std::greater{}, &LayerStart::error);
    return list;
  }

 private:
  std::vector<std::pair<Linear*, WatchingAdapter*>> watched_;
};

}  // namespace

WatchedStart watch_start(Network& net, const AdapterSet& adapters, std::span<const Batch> batches) {
  const Watch watch(adapters.layers);
  const double loss = start_loss(net, &adapters, batches);
  return {loss, watch.errors()};
}

SettledStart settle_start(Network& net, Attached& attached, std::span<const Batch> batches,
                          double base_loss, double tolerance) {
  const WatchedStart watched = watch_start(net, attached.adapters, batches);
  std::vector<Linear*> near;
  for (const LayerStart& each : watched.layers) near.push_back(each.layer);
  const double worst = watched.layers.empty() ? 0 : watched.layers.front().error;
  SettledStart settled{watched.loss, watched.loss, worst, 0};
  auto leaving = static_cast<std::size_t>(std::ranges::count_if(
      watched.layers, [](const LayerStart& each) { return each.error > kLayerTolerance; }));
  while (!near.empty() && (leaving > 0 || !starts_near(base_loss, settled.loss, tolerance))) {
    if (leaving == 0) leaving = (near.size() + 1) / 2;
    const auto end = near.begin() + static_cast<std::ptrdiff_t>(std::exchange(leaving, 0));
    settled.exact += static_cast<std::size_t>(std::count_if(near.begin(), end, [&](Linear* layer) {
      return method_start_exactly(attached.record.method, {layer});
    }));
    near.erase(near.begin(), end);
    settled.loss = start_loss(net, &attached.adapters, batches);
  }
  return settled;
}

}  // namespace svtune
