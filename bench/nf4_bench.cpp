// Time of svtune's 4-bit quantisation of one weight given as a raw bf16 file.
//   usage: nf4_bench THREADS FILE:OUT:IN
// Prints one JSON line per instruction set: seconds of the best round to quantise to NF4 (blocks
// of 64), to dequantise to bf16, the same into a buffer that is there, and a checksum of the codes.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"
#include "quant/kernels/block_kernels.h"
#include "quant/quantized_matrix.h"

namespace {

constexpr int kRounds = 30;
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 34;

double best_seconds(const std::function<void()>& work) {
  double best = 1e30;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    best = std::min(best, elapsed.count());
  }
  return best;
}

at::Tensor read_weight(const std::string& argument) {
  const std::vector<std::string_view> parts = svtune::split(argument, ':');
  if (parts.size() != 3) throw svtune::UsageError("expected FILE:OUT:IN, got " + argument);
  const std::string file(parts[0]);
  const std::string bytes = svtune::read_file(file, kMaxBytes);
  at::Tensor tensor = at::empty(
      {std::stoll(std::string(parts[1])), std::stoll(std::string(parts[2]))}, at::kBFloat16);
  if (bytes.size() != tensor.nbytes()) throw svtune::FileError(file, "has another size");
  std::memcpy(tensor.mutable_data_ptr(), bytes.data(), bytes.size());
  return tensor;
}

void measure(const at::Tensor& weight) {
  const svtune::QuantizedMatrix matrix = svtune::quantize(weight, {});
  const at::Tensor dense = at::empty_like(weight);
  svtune::Json line = svtune::Json::object();
  line["kernels"] = svtune::kernels::block_kernels().name;
  line["quantize"] = best_seconds([&] { svtune::quantize(weight, {}); });
  line["dequantize"] = best_seconds([&] { matrix.dequantize(at::kBFloat16); });
  line["dequantize_into"] = best_seconds([&] { matrix.dequantize_into(dense); });
  line["checksum"] = matrix.storage().codes.to(at::kLong).sum().item<std::int64_t>();
  std::printf("%s\n", line.dump().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: nf4_bench THREADS FILE:OUT:IN\n");
    return 2;
  }
  try {
    at::set_num_threads(std::atoi(argv[1]));
    const at::Tensor weight = read_weight(argv[2]);
    for (const auto* kernels : svtune::kernels::supported_block_kernels()) {
      const svtune::kernels::ForceBlockKernels force(*kernels);
      measure(weight);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
