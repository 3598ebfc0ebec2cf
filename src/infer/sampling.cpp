#include "infer/sampling.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

struct Candidate {
  std::int32_t id;
  double weight;  // unnormalised probability
};

// Whether `a` comes first: the likelier one, of equals the smaller id.
bool likelier(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
}

void check_finite(std::span<const float> logits) {
  const auto broken =
      std::ranges::find_if(logits, [](float value) { return !std::isfinite(value); });
  if (broken == logits.end()) return;
  throw RunError("the logits hold " + std::string(std::isnan(*broken) ? "NaN" : "infinity"),
                 "the weights hold NaN or infinity, or overflow in this dtype; try --dtype fp32");
}

std::vector<Candidate> weigh(std::span<const float> logits, double temperature) {
  const double largest = *std::ranges::max_element(logits);
  std::vector<Candidate> list;
  list.reserve(logits.size());
  for (std::size_t id = 0; id < logits.size(); ++id) {
    list.push_back({static_cast<std::int32_t>(id),
                    std::exp((static_cast<double>(logits[id]) - largest) / temperature)});
  }
  return list;
}

double total_weight(const std::vector<Candidate>& list) {
  double sum = 0;
  for (const Candidate& each : list) sum += each.weight;
  return sum;
}

void keep_likeliest(std::vector<Candidate>& list, std::size_t count) {
  if (count >= list.size()) return;
  const auto end = list.begin() + static_cast<std::ptrdiff_t>(count);
  std::nth_element(list.begin(), end, list.end(), likelier);
  list.erase(end, list.end());
  std::sort(list.begin(), list.end(), likelier);
}

// The shortest list by falling weight that holds top_p of the whole. A heap orders no more than
// is taken from it.
std::vector<Candidate> nucleus(std::vector<Candidate> list, double top_p) {
  const auto later = [](const Candidate& a, const Candidate& b) { return likelier(b, a); };
  const double wanted = top_p * total_weight(list);
  std::vector<Candidate> kept;
  std::make_heap(list.begin(), list.end(), later);
  for (double sum = 0; sum < wanted && !list.empty();) {
    std::pop_heap(list.begin(), list.end(), later);
    kept.push_back(list.back());
    sum += list.back().weight;
    list.pop_back();
  }
  return kept;
}

}  // namespace

std::int32_t sample_token(const at::Tensor& logits, const SamplingOptions& options,
                          Xoshiro256& random) {
  const at::Tensor row = logits.to(at::kCPU, at::kFloat).contiguous();
  const std::span values(row.const_data_ptr<float>(), static_cast<std::size_t>(row.numel()));
  check_finite(values);
  if (options.temperature <= 0) {
    return static_cast<std::int32_t>(std::ranges::max_element(values) - values.begin());
  }
  std::vector<Candidate> list = weigh(values, options.temperature);
  if (options.top_k > 0) keep_likeliest(list, static_cast<std::size_t>(options.top_k));
  if (options.top_p < 1) list = nucleus(std::move(list), options.top_p);
  double left = random.uniform() * total_weight(list);
  for (const Candidate& each : list) {
    left -= each.weight;
    if (left < 0) return each.id;
  }
  return list.back().id;
}

}  // namespace svtune
