// Time of svtune's decompositions of weights given as raw bf16 files.
//   usage: svd_bench THREADS RANK[/NITER][,...] FILE:OUT:IN...
// Rank 0 means the full decomposition, RANK/NITER the fast one with NITER iterations. Each weight
// is decomposed as the initialisation of a model does it, one matrix per thread, and the best of
// three rounds counts. Prints one JSON line per weight and rank: seconds per matrix (wall and
// processor), the growth of the resident set at its peak per matrix, the algorithm, and the file
// FILE.svt with U, S, V in fp32.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"
#include "linalg/parallel.h"
#include "linalg/svd.h"

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

struct Request {
  std::int64_t rank = 0;
  svtune::TruncatedSvdOptions options;
};

Request parse_request(std::string_view text) {
  const std::vector<std::string_view> parts = svtune::split(text, '/');
  Request request;
  request.rank = std::stoll(std::string(parts[0]));
  if (parts.size() < 2) return request;
  request.options.algorithm = svtune::SvdAlgorithm::kFast;
  request.options.niter = std::stoll(std::string(parts[1]));
  return request;
}

// Kilobytes of a line of /proc/self/status.
std::int64_t status_kilobytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::stoll(line.substr(name.size() + 1));
  }
  return 0;
}

void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

void write_factors(const std::string& path, const svtune::ThinSvd& svd) {
  std::string bytes;
  for (const at::Tensor& each : {svd.U.contiguous(), svd.S, svd.V.contiguous()}) {
    bytes.append(static_cast<const char*>(each.const_data_ptr()), each.nbytes());
  }
  svtune::write_file_atomic(path, bytes);
}

svtune::ThinSvd decompose(const at::Tensor& weight, const Request& request) {
  if (request.rank == 0) return svtune::full_svd(weight);
  svtune::TruncatedSvd svd = svtune::truncated_svd(weight, request.rank, request.options);
  return {svd.U, svd.S, svd.V, svd.certificate.algorithm, svd.certificate.fallback};
}

void measure(const Weight& weight, const Request& request) {
  const std::int64_t copies = at::get_num_threads();
  std::vector<svtune::ThinSvd> results(static_cast<std::size_t>(copies));
  double wall = 1e30, processor = 1e30;
  reset_peak();
  const std::int64_t before = status_kilobytes("VmRSS");
  for (int round = 0; round < kRounds; ++round) {
    const double start = wall_seconds(), start_processor = processor_seconds();
    svtune::for_each_matrix(copies, [&](std::int64_t i) {
      results[static_cast<std::size_t>(i)] = decompose(weight.tensor, request);
    });
    const auto count = static_cast<double>(copies);
    wall = std::min(wall, (wall_seconds() - start) / count);
    processor = std::min(processor, (processor_seconds() - start_processor) / count);
  }
  svtune::Json line = svtune::Json::object();
  line["file"] = weight.file;
  line["rank"] = request.rank;
  line["wall"] = wall;
  line["processor"] = processor;
  line["peak"] = 1024 * (status_kilobytes("VmHWM") - before) / copies;
  line["algorithm"] = results[0].algorithm;
  write_factors(weight.file + ".svt", results[0]);
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: svd_bench THREADS RANK[/NITER][,...] FILE:OUT:IN...\n");
    return 2;
  }
  try {
    at::set_num_threads(std::atoi(argv[1]));
    for (int i = 3; i < argc; ++i) {
      const Weight weight = read_weight(argv[i]);
      for (const std::string_view text : svtune::split(argv[2], ',')) {
        const Request request = parse_request(text);
        if (request.rank <= std::min(weight.tensor.size(0), weight.tensor.size(1))) {
          measure(weight, request);
        }
      }
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
