#include "train/optimizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr std::int64_t kAlignment = 16;       // elements between leaves: whole cache lines
constexpr std::int64_t kNormChunk = 1 << 16;  // elements summed in one go

// Sum of squares with eight running sums, so that it vectorises and keeps a fixed order.
template <class T>
double sum_of_squares(const T* values, std::int64_t count) {
  constexpr std::int64_t kLanes = 8;
  std::array<double, kLanes> sums{};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      const double value = values[i + lane];
      sums[static_cast<std::size_t>(lane)] += value * value;
    }
  }
  double total = 0;
  for (; i < count; ++i) total += static_cast<double>(values[i]) * values[i];
  for (const double sum : sums) total += sum;
  return total;
}

template <class T>
double chunked_sum_of_squares(const at::Tensor& flat) {
  const T* values = flat.const_data_ptr<T>();
  const std::int64_t size = flat.numel(), chunks = (size + kNormChunk - 1) / kNormChunk;
  std::vector<double> partial(static_cast<std::size_t>(chunks));
  at::parallel_for(0, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t chunk = begin; chunk < end; ++chunk) {
      const std::int64_t first = chunk * kNormChunk;
      partial[static_cast<std::size_t>(chunk)] =
          sum_of_squares(values + first, std::min(kNormChunk, size - first));
    }
  });
  double total = 0;
  for (const double each : partial) total += each;
  return total;
}

double sum_of_squares(const at::Tensor& flat) {
  if (!flat.is_cpu()) return flat.to(at::kDouble).square().sum().item<double>();
  return flat.scalar_type() == at::kDouble ? chunked_sum_of_squares<double>(flat)
                                           : chunked_sum_of_squares<float>(flat);
}

}  // namespace

double clip_factor(double norm, double max_norm) {
  return max_norm > 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

AdamW::AdamW(std::vector<Trainable> trainables, const OptimizerConfig& config)
    : config_(config), trainables_(std::move(trainables)) {
  if (trainables_.empty()) throw RunError("there is nothing to train: no trainable tensor");
  place_leaves();
  allocate();
}

AdamW::~AdamW() {
  for (Trainable& each : trainables_) each.tensor.mutable_grad() = at::Tensor();
}

void AdamW::place_leaves() {
  for (const Trainable& leaf : trainables_) {
    const at::Tensor& tensor = leaf.tensor;
    const auto fits = [&](const Group& group) {
      return group.dtype == tensor.scalar_type() && group.device == tensor.device() &&
             group.options.learning_rate_scale == leaf.group.learning_rate_scale &&
             group.options.weight_decay == leaf.group.weight_decay;
    };
    auto found = std::find_if(groups_.begin(), groups_.end(), fits);
    if (found == groups_.end()) {
      groups_.push_back({tensor.scalar_type(), tensor.device(), leaf.group, 0, {}, {}, {}, {}});
      found = groups_.end() - 1;
    }
    places_.push_back({static_cast<std::size_t>(found - groups_.begin()), found->size});
    found->size += (tensor.numel() + kAlignment - 1) / kAlignment * kAlignment;
  }
}

void AdamW::allocate() {
  const at::NoGradGuard no_grad;
  for (Group& group : groups_) {
    const auto zeros = [&] {
      return at::zeros({group.size}, at::TensorOptions().dtype(group.dtype).device(group.device));
    };
    group.parameter = zeros();
    // The leaves' own storages go before more memory is taken.
    for (std::size_t i = 0; i < trainables_.size(); ++i) {
      if (&groups_[places_[i].group] != &group) continue;
      const at::Tensor place = view(group.parameter, i);
      place.copy_(trainables_[i].tensor);
      trainables_[i].tensor.set_data(place);
    }
    group.gradient = zeros();
    group.first_moment = zeros();
    group.second_moment = zeros();
  }
  for (std::size_t i = 0; i < trainables_.size(); ++i) {
    trainables_[i].tensor.mutable_grad() = view(groups_[places_[i].group].gradient, i);
  }
}

at::Tensor AdamW::view(const at::Tensor& flat, std::size_t leaf) const {
  const at::Tensor& tensor = trainables_[leaf].tensor;
  return flat.narrow(0, places_[leaf].offset, tensor.numel()).view(tensor.sizes());
}

double AdamW::gradient_norm() const {
  double total = 0;
  for (const Group& group : groups_) total += sum_of_squares(group.gradient);
  return std::sqrt(total);
}

void AdamW::scale_gradients(double factor) {
  if (factor == 1.0) return;
  for (Group& group : groups_) group.gradient.mul_(factor);
}

void AdamW::step(double learning_rate) {
  const at::NoGradGuard no_grad;
  ++steps_;
  for (Group& group : groups_) {
    const at::Tensor count = at::full({}, static_cast<double>(steps_),
                                      at::TensorOptions().dtype(at::kFloat).device(group.device));
    at::_fused_adamw_({group.parameter}, {group.gradient}, {group.first_moment},
                      {group.second_moment}, {}, {count},
                      learning_rate * group.options.learning_rate_scale, config_.beta1,
                      config_.beta2, group.options.weight_decay ? config_.weight_decay : 0.0,
                      config_.epsilon, /*amsgrad=*/false, /*maximize=*/false);
  }
}

void AdamW::zero_gradients() {
  for (Group& group : groups_) group.gradient.zero_();
}

std::vector<NamedTensor> AdamW::state() const {
  std::vector<NamedTensor> all;
  for (std::size_t i = 0; i < trainables_.size(); ++i) {
    const Group& group = groups_[places_[i].group];
    const std::string& name = trainables_[i].name;
    all.push_back({"parameter/" + name, view(group.parameter, i)});
    all.push_back({"first_moment/" + name, view(group.first_moment, i)});
    all.push_back({"second_moment/" + name, view(group.second_moment, i)});
  }
  return all;
}

}  // namespace svtune
