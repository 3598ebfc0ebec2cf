#include "infer/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "libtorch/prelude.h"

namespace svtune {
namespace {

struct Candidate {
  std::int32_t id;
  double weight;  // unnormalised probability
};

// Candidates by falling logit, cut to top_k; ties by id, so the order is fixed.
std::vector<Candidate> ranked(const float* logits, std::int64_t vocab,
                              const SamplingOptions& options) {
  std::vector<std::int32_t> ids(static_cast<std::size_t>(vocab));
  std::iota(ids.begin(), ids.end(), 0);
  const auto larger = [&](std::int32_t a, std::int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  if (options.top_k > 0 && options.top_k < vocab) {
    std::partial_sort(ids.begin(), ids.begin() + options.top_k, ids.end(), larger);
    ids.resize(static_cast<std::size_t>(options.top_k));
  } else {
    std::sort(ids.begin(), ids.end(), larger);
  }
  std::vector<Candidate> list;
  list.reserve(ids.size());
  for (const std::int32_t id : ids) {
    list.push_back(
        {id, std::exp((static_cast<double>(logits[id]) - logits[ids[0]]) / options.temperature)});
  }
  return list;
}

double total_weight(const std::vector<Candidate>& list) {
  double sum = 0;
  for (const Candidate& each : list) sum += each.weight;
  return sum;
}

// Keeps the shortest prefix that holds top_p of the probability.
void cut_to_nucleus(std::vector<Candidate>& list, double top_p) {
  const double wanted = top_p * total_weight(list);
  double sum = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    sum += list[i].weight;
    if (sum >= wanted) {
      list.resize(i + 1);
      return;
    }
  }
}

}  // namespace

std::int32_t sample_token(const at::Tensor& logits, const SamplingOptions& options,
                          Xoshiro256& random) {
  const at::Tensor row = logits.to(at::kCPU, at::kFloat).contiguous();
  const float* values = row.const_data_ptr<float>();
  const std::int64_t vocab = row.numel();
  if (options.temperature <= 0) {
    return static_cast<std::int32_t>(std::max_element(values, values + vocab) - values);
  }
  std::vector<Candidate> list = ranked(values, vocab, options);
  if (options.top_p < 1) cut_to_nucleus(list, options.top_p);
  double left = random.uniform() * total_weight(list);
  for (const Candidate& each : list) {
    left -= each.weight;
    if (left < 0) return each.id;
  }
  return list.back().id;
}

}  // namespace svtune
