// Time of one matrix's products in the arithmetics that a frozen base has, and where it goes.
//   usage: int8_bench THREADS TOKENS OUT:IN...
// Prints one JSON line per matrix: rates of x Wᵀ and g W in 1e9 operations a second, two for a
// multiplication with its addition of the exact product whatever int8 takes, with bf16 weights
// under fp32, bf16 and fp32 arithmetic and in int8; and the milliseconds of int8's parts.
#include <ATen/ops/_int_mm.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/json.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"
#include "nn/base_weight.h"
#include "nn/cpu_allocator.h"
#include "nn/int8_rows.h"
#include "nn/int8_weight.h"

namespace {

constexpr int kRounds = 15;

// Of the third best round: a shared machine has better and worse moments.
double seconds_of(const std::function<void()>& work) {
  std::vector<double> times;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    times.push_back(elapsed.count());
  }
  std::ranges::sort(times);
  return times[2];
}

double rounded(double value) { return static_cast<double>(static_cast<int>(value * 100)) / 100; }

void add_rates(svtune::Json& line, const std::string& name, const svtune::BaseWeight& weight,
               std::int64_t tokens) {
  const double operations = 2.0 * static_cast<double>(tokens) *
                            static_cast<double>(weight.out_features()) *
                            static_cast<double>(weight.in_features()) / 1e9;
  const at::Tensor x = at::randn({tokens, weight.in_features()}, at::kFloat).to(weight.dtype());
  const at::Tensor g = at::randn({tokens, weight.out_features()}, at::kFloat).to(weight.dtype());
  line[name] = {rounded(operations / seconds_of([&] { weight.matmul(x); })),
                rounded(operations / seconds_of([&] { weight.matmul_transposed(g); }))};
}

void add_parts(svtune::Json& line, const at::Tensor& dense, std::int64_t tokens) {
  const at::Tensor x = at::randn({tokens, dense.size(1)}, at::kFloat);
  const at::Tensor g = at::randn({tokens, dense.size(0)}, at::kFloat);
  const at::Tensor codes = svtune::int8_rows(dense, {}, 1).codes.squeeze(1);
  const at::Tensor scales = at::ones({dense.size(0)}, at::kFloat);
  const auto time = [&line](const char* name, const std::function<void()>& work) {
    line[name] = rounded(1e3 * seconds_of(work));
  };
  const svtune::Int8Rows two = svtune::int8_rows(x, {}, 2);
  const svtune::Int8Rows one = svtune::int8_rows(g, scales, 1);
  time("round x", [&] { svtune::int8_rows(x, {}, 2); });
  time("round g", [&] { svtune::int8_rows(g, scales, 1); });
  const at::Tensor left = two.codes.view({2 * tokens, dense.size(1)});
  const at::Tensor sums = at::_int_mm(left, codes.t());
  time("multiply x", [&] { at::_int_mm(left, codes.t()); });
  time("multiply g", [&] { at::_int_mm(one.codes.squeeze(1), codes); });
  const at::Tensor y = at::zeros({tokens, dense.size(0)}, at::kFloat);
  time("combine x", [&] {
    svtune::combine_int8_sums(sums.view({tokens, 2, dense.size(0)}), two.scales, scales, y, true);
  });
}

void measure(const std::string& shape, std::int64_t tokens) {
  const std::vector<std::string_view> parts = svtune::split(shape, ':');
  if (parts.size() != 2) throw svtune::UsageError("expected OUT:IN, got " + shape);
  const std::int64_t out = std::stoll(std::string(parts[0])),
                     in = std::stoll(std::string(parts[1]));
  const at::Tensor dense = at::randn({out, in}, at::kFloat).to(at::kBFloat16);
  svtune::Json line = svtune::Json::object();
  line["shape"] = shape;
  add_rates(line, "fp32", svtune::BaseWeight(dense, at::kFloat), tokens);
  add_rates(line, "bf16", svtune::BaseWeight(dense), tokens);
  add_rates(line, "int8 in fp32", svtune::BaseWeight(dense, at::kFloat).with_int8_products(),
            tokens);
  add_rates(line, "int8 in bf16", svtune::BaseWeight(dense).with_int8_products(), tokens);
  add_rates(
      line, "int8 by columns",
      svtune::BaseWeight(dense, at::kFloat).with_int8_products(svtune::Int8Input::kExactColumns),
      tokens);
  add_parts(line, dense, tokens);
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 4) throw svtune::UsageError("usage: int8_bench THREADS TOKENS OUT:IN...");
    at::set_num_threads(std::atoi(argv[1]));
    svtune::install_caching_allocator();
    const at::NoGradGuard no_grad;
    for (int i = 3; i < argc; ++i) measure(argv[i], std::atoll(argv[2]));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
