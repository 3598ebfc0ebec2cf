// Time of svtune's decompositions of weights given as raw bf16 files.
//   usage: svd_bench THREADS RANK[,RANK...] FILE:OUT:IN...
// Rank 0 means the full decomposition. Each weight is decomposed as the initialisation of a
// model does it, one matrix per thread, and the best of three rounds counts. Prints one JSON
// line per weight and rank: seconds per matrix (wall and processor), the algorithm, and for
// truncated ones the file FILE.RANK.svt with U, S, V in fp32 for the comparison.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text_util.h"
#include "linalg/parallel.h"
#include "linalg/svd.h"
#include "linalg/torch_pch.h"

namespace {

constexpr int kRounds = 3;
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 34;

double wall_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

struct Weight {
  std::string file;
  at::Tensor tensor;
};

Weight read_weight(const std::string& argument) {
  const std::vector<std::string_view> parts = svtune::split(argument, ':');
  if (parts.size() != 3) throw svtune::UsageError("expected FILE:OUT:IN, got " + argument);
  const std::string file(parts[0]);
  const std::int64_t out = std::stoll(std::string(parts[1]));
  const std::int64_t in = std::stoll(std::string(parts[2]));
  const std::string bytes = svtune::read_file(file, kMaxBytes);
  at::Tensor tensor = at::empty({out, in}, at::kBFloat16);
  if (bytes.size() != tensor.nbytes()) throw svtune::FileError(file, "has another size");
  std::memcpy(tensor.mutable_data_ptr(), bytes.data(), bytes.size());
  return {file, tensor};
}

void write_factors(const std::string& path, const svtune::TruncatedSvd& svd) {
  std::string bytes;
  for (const at::Tensor& each : {svd.U, svd.S, svd.V}) {
    bytes.append(static_cast<const char*>(each.const_data_ptr()), each.nbytes());
  }
  svtune::write_file_atomic(path, bytes);
}

void measure(const Weight& weight, std::int64_t rank) {
  const std::int64_t copies = at::get_num_threads();
  std::vector<svtune::TruncatedSvd> results(static_cast<std::size_t>(copies));
  std::string algorithm;
  double wall = 1e30, processor = 1e30;
  for (int round = 0; round < kRounds; ++round) {
    const double start = wall_seconds(), start_processor = processor_seconds();
    svtune::for_each_matrix(copies, [&](std::int64_t i) {
      if (rank > 0) {
        results[static_cast<std::size_t>(i)] = svtune::truncated_svd(weight.tensor, rank);
      } else {
        svtune::full_svd(weight.tensor);
      }
    });
    const auto count = static_cast<double>(copies);
    wall = std::min(wall, (wall_seconds() - start) / count);
    processor = std::min(processor, (processor_seconds() - start_processor) / count);
  }
  svtune::Json line = svtune::Json::object();
  line["file"] = weight.file;
  line["rank"] = rank;
  line["wall"] = wall;
  line["processor"] = processor;
  if (rank > 0) {
    line["algorithm"] = results[0].certificate.algorithm;
    line["max_residual"] = results[0].certificate.max_residual;
    line["captured_energy"] = results[0].certificate.captured_energy;
    write_factors(weight.file + "." + std::to_string(rank) + ".svt", results[0]);
  }
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: svd_bench THREADS RANK[,RANK...] FILE:OUT:IN...\n");
    return 2;
  }
  try {
    at::set_num_threads(std::atoi(argv[1]));
    for (int i = 3; i < argc; ++i) {
      const Weight weight = read_weight(argv[i]);
      for (const std::string_view text : svtune::split(argv[2], ',')) {
        const std::int64_t rank = std::stoll(std::string(text));
        if (rank <= std::min(weight.tensor.size(0), weight.tensor.size(1))) measure(weight, rank);
      }
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
