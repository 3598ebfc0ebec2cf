// Time to quantise a whole model with low-rank parts: 168 bf16 matrices of Qwen2.5-0.5B's shapes,
// a random bulk under 128 slowly falling spikes, one matrix per thread at a time.
//   usage: low_rank_quant_bench THREADS RANK[,RANK...]
// Prints per method and number of rounds the wall and processor seconds of the model and the
// error beside plain NF4's.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "base/text_util.h"
#include "libtorch/prelude.h"
#include "linalg/parallel.h"
#include "quant/low_rank_quant.h"

namespace {

constexpr int kLayers = 24;
using svtune::QuantStart;

at::Tensor model_like(std::int64_t out, std::int64_t in, std::uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  const at::Tensor u = std::get<0>(at::linalg_qr(at::randn({out, 128}, generator)));
  const at::Tensor v = std::get<0>(at::linalg_qr(at::randn({in, 128}, generator)));
  const double top =
      0.06 * (std::sqrt(static_cast<double>(out)) + std::sqrt(static_cast<double>(in)));
  const at::Tensor spikes = at::pow(at::arange(1, 129, at::kFloat), -0.45) * top;
  const at::Tensor bulk = at::randn({out, in}, generator) * 0.02;
  return (bulk + at::mm(u * spikes, v.t())).to(at::kBFloat16);
}

std::vector<at::Tensor> layer_weights() {
  const std::vector<std::pair<std::int64_t, std::int64_t>> shapes = {
      {4864, 896}, {4864, 896}, {896, 4864}, {896, 896}, {896, 896}, {128, 896}, {128, 896}};
  std::vector<at::Tensor> weights;
  for (const auto& [out, in] : shapes) weights.push_back(model_like(out, in, weights.size()));
  return weights;
}

struct Case {
  const char* name;
  QuantStart start;
  std::int64_t iterations;
  bool improved;  // signed scales, best round, refit
};

svtune::LowRankQuantOptions options_of(const Case& test, std::int64_t rank) {
  svtune::LowRankQuantOptions options;
  options.start = test.start;
  options.iterations = test.iterations;
  options.rank = rank;
  options.keep_best = options.refit = test.improved;
  if (test.improved) options.quant.scales = svtune::ScaleChoice::kSigned;
  return options;
}

void measure(const Case& test, std::int64_t rank, const std::vector<at::Tensor>& weights) {
  const svtune::LowRankQuantOptions options = options_of(test, rank);
  std::vector<double> errors(weights.size() * kLayers);
  const auto start = std::chrono::steady_clock::now();
  const std::clock_t start_processor = std::clock();
  svtune::for_each_matrix(static_cast<std::int64_t>(errors.size()), [&](std::int64_t i) {
    const at::Tensor& weight = weights[static_cast<std::size_t>(i) % weights.size()];
    errors[static_cast<std::size_t>(i)] = svtune::quantize_with_low_rank(weight, options).error;
  });
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  const double processor = static_cast<double>(std::clock() - start_processor) / CLOCKS_PER_SEC;
  double reduction = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const at::Tensor& weight = weights[i];
    const at::Tensor rest =
        weight.to(at::kFloat) - svtune::quantize(weight, {}).dequantize(at::kFloat);
    reduction += (1 - errors[i] / rest.norm().item<double>()) / static_cast<double>(weights.size());
  }
  std::printf("%5lld  %-24s %8.2f %13.2f %16.1f\n", static_cast<long long>(rank), test.name,
              wall.count(), processor, 100 * reduction);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: low_rank_quant_bench THREADS RANK[,RANK...]\n");
    return 2;
  }
  at::set_num_threads(std::atoi(argv[1]));
  const std::vector<at::Tensor> weights = layer_weights();
  const Case cases[] = {
      {"qpissa, T=1, improved", QuantStart::kQpissa, 1, true},
      {"qpissa, T=5, improved", QuantStart::kQpissa, 5, true},
      {"plain", QuantStart::kNone, 1, false},
      {"loftq, T=1", QuantStart::kLoftq, 1, false},
      {"loftq, T=5", QuantStart::kLoftq, 5, false},
      {"qpissa, T=1", QuantStart::kQpissa, 1, false},
      {"qpissa, T=5", QuantStart::kQpissa, 5, false},
  };
  std::printf("%5s  %-24s %8s %13s %16s\n", "rank", "method", "wall s", "processor s",
              "error below NF4 %");
  for (const std::string_view rank : svtune::split(argv[2], ',')) {
    for (const Case& test : cases) measure(test, std::stoll(std::string(rank)), weights);
  }
  return 0;
}
