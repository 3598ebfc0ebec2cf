// The fast decomposition against torch.svd_lowrank itself, and the exact one on the weights of
// a real model.
#include <ATen/ops/empty.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/oracle_test_util.h"
#include "formats/gguf.h"
#include "formats/gguf_dequant.h"
#include "linalg/svd.h"
#include "linalg/svd_test_util.h"

namespace svtune {
namespace svd_fast_test {

using test::oracle_python;
using test::run_oracle;
using test::TempDirectory;
using testing::model_like;
using testing::product_distance;
using testing::reference_svd;

TruncatedSvdOptions fast(std::int64_t niter, std::uint64_t seed, std::int64_t oversample = 0) {
  TruncatedSvdOptions options;
  options.algorithm = SvdAlgorithm::kFast;
  options.niter = niter;
  options.seed = seed;
  options.oversample = oversample;
  return options;
}

at::Tensor read_floats(const std::filesystem::path& path, at::IntArrayRef shape) {
  const std::string bytes = read_file(path, 1u << 26);
  at::Tensor tensor = at::empty(shape, at::kFloat);
  EXPECT_EQ(bytes.size(), tensor.nbytes());
  std::memcpy(tensor.mutable_data_ptr(), bytes.data(), std::min(bytes.size(), tensor.nbytes()));
  return tensor;
}

// Same start vectors, same steps: the products agree to the rounding that the iteration
// magnifies, far below the method's own error.
TEST(FastSvd, EqualsTorchSvdLowrank) {
  const std::string python = oracle_python("torch");
  if (python.empty()) GTEST_SKIP() << "no Python with torch (set SVTUNE_ORACLE_PYTHON)";
  const TempDirectory folder;
  const char* script = R"(
import sys, torch
folder, cases = sys.argv[1], [tuple(map(int, c.split(','))) for c in sys.argv[2:]]
for i, (out, inn, q, niter) in enumerate(cases):
    W = torch.from_file(f'{folder}/weight{i}', size=out * inn).view(out, inn)
    torch.manual_seed(11)
    U, S, V = torch.svd_lowrank(W, q=q, niter=niter)
    with open(f'{folder}/product{i}', 'wb') as file:
        file.write((U * S @ V.T).contiguous().numpy().tobytes())
)";
  struct Case {
    std::int64_t out, in, q, niter;
  };
  const std::vector<Case> cases = {
      {300, 200, 16, 4}, {200, 300, 16, 16}, {256, 256, 40, 1}, {150, 90, 8, 0}};
  std::vector<std::string> arguments = {folder.path().string()};
  std::vector<at::Tensor> weights;
  for (const auto& [out, in, q, niter] : cases) {
    weights.push_back(model_like(out, in, 3).to(at::kFloat));
    write_file_atomic(
        folder / ("weight" + std::to_string(weights.size() - 1)),
        {static_cast<const char*>(weights.back().const_data_ptr()), weights.back().nbytes()});
    arguments.push_back(std::to_string(out) + "," + std::to_string(in) + "," + std::to_string(q) +
                        "," + std::to_string(niter));
  }
  run_oracle(python, script, arguments);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const auto& [out, in, q, niter] = cases[i];
    const at::Tensor expected = read_floats(folder / ("product" + std::to_string(i)), {out, in});
    const TruncatedSvd svd = truncated_svd(weights[i], q, fast(niter, 11));
    EXPECT_LT(testing::reconstruction_error(svd.U, svd.S, svd.V, expected), 2e-5)
        << arguments[i + 1];
  }
}

TEST(FastSvd, ErrorFallsWithIterationsAndOversampling) {
  const at::Tensor weight = model_like(400, 300, 6);
  const auto reference = reference_svd(weight);
  const double coarse = product_distance(truncated_svd(weight, 16, fast(1, 0)), reference);
  const double fine = product_distance(truncated_svd(weight, 16, fast(16, 0)), reference);
  const double wide = product_distance(truncated_svd(weight, 16, fast(16, 0, 16)), reference);
  EXPECT_LT(fine, coarse / 2);
  EXPECT_LT(wide, fine / 10);
  // The exact algorithm is what these are measured against.
  EXPECT_LT(product_distance(truncated_svd(weight, 16), reference), 1e-5);
}

TEST(FastSvd, SeedDecidesAndCertificateTells) {
  const at::Tensor weight = model_like(200, 260, 8);
  const TruncatedSvd a = truncated_svd(weight, 8, fast(2, 5));
  EXPECT_TRUE(a.U.equal(truncated_svd(weight, 8, fast(2, 5)).U));
  EXPECT_FALSE(a.U.equal(truncated_svd(weight, 8, fast(2, 6)).U));
  EXPECT_EQ(a.certificate.passes, 7);
  EXPECT_THAT(a.certificate.algorithm, ::testing::HasSubstr("niter 2"));
  EXPECT_GT(a.certificate.max_residual, 1e-3);
  EXPECT_LT(a.certificate.max_residual, 1.0);
  EXPECT_LT(truncated_svd(weight, 8).certificate.max_residual, 5e-6);
}

std::filesystem::path real_model() {
  if (const char* set = std::getenv("SVTUNE_TEST_GGUF")) return set;
  return SVTUNE_SOURCE_DIR "/.cache/demo-model/SmolLM2-135M-Instruct.Q4_1.gguf";
}

// Real spectra are flat: the values next to the cut differ by permille.
TEST(RealWeights, ExactTripletsOfSmolLm2) {
  const std::filesystem::path path = real_model();
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << "no " << path << " (tools/fetch_demo_model.sh gets it)";
  }
  const GgufFile file(path);
  for (const char* name : {"blk.5.attn_q.weight", "blk.5.ffn_up.weight", "blk.29.attn_k.weight"}) {
    const GgufTensorInfo* info = file.find_tensor(name);
    ASSERT_NE(info, nullptr) << name;
    at::Tensor weight = at::empty(info->shape, at::kFloat);
    gguf_dequantize(info->type, file.data(*info),
                    {weight.mutable_data_ptr<float>(), static_cast<std::size_t>(weight.numel())});
    const auto reference = reference_svd(weight);
    for (const std::int64_t rank : {16, 128}) {
      const TruncatedSvd svd = truncated_svd(weight, rank);
      EXPECT_LT(product_distance(svd, reference), 2e-5)
          << name << " rank " << rank << ": " << svd.certificate.algorithm;
    }
  }
}

}  // namespace svd_fast_test
}  // namespace svtune
