// Disentangled attention against the plain one, its table of distances against transformers.
#include "nn/ops/disentangled.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/oracle_test_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace disentangled_test {

at::Tensor random_leaf(at::IntArrayRef shape, at::ScalarType dtype, std::uint64_t seed) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kDouble))
      .to(dtype)
      .requires_grad_(true);
}

double relative(const at::Tensor& got, const at::Tensor& wanted) {
  const at::Tensor reference = wanted.detach().to(at::kDouble);
  return ((got.detach().to(at::kDouble) - reference).norm() / reference.norm()).item<double>();
}

struct Leaves {
  std::vector<at::Tensor> list;

  Leaves(at::ScalarType dtype, std::int64_t rows) {
    for (std::uint64_t i = 0; i < 3; ++i) list.push_back(random_leaf({310, 3, 8}, dtype, i));
    for (std::uint64_t i = 3; i < 5; ++i) list.push_back(random_leaf({rows, 3, 8}, dtype, i));
  }
  explicit Leaves(const Leaves& other, at::ScalarType dtype) {
    for (const at::Tensor& each : other.list) {
      list.push_back(each.detach().to(dtype).requires_grad_(true));
    }
  }
  DisentangledInputs part(std::int64_t begin, std::int64_t end) const {
    const auto rows = [&](std::size_t i) { return list[i].slice(0, begin, end); };
    return {rows(0), rows(1), rows(2), list[3], list[4]};
  }
};

struct Case {
  DisentangledSpec spec;
  at::ScalarType dtype;
  double tolerance;
};

// Documents of one token, of one tile and of several; distances beyond the table's last row.
TEST(DisentangledAttention, EqualsThePlainOneDocumentByDocument) {
  // A few roundings of sums of some hundred terms; bf16 keeps 8 bits of every stored value.
  for (const Case& each : {Case{{40, 8}, at::kDouble, 1e-12}, Case{{40, 8}, at::kFloat, 3e-6},
                           Case{{16, 0}, at::kDouble, 1e-12}, Case{{40, 8}, at::kBFloat16, 1e-2}}) {
    const std::vector<std::int32_t> offsets{0, 1, 60, 310};
    const Leaves fast(each.dtype, 2 * each.spec.span()), plain(fast, at::kDouble);
    const at::Tensor got = disentangled_attention(fast.part(0, 310), offsets, each.spec);
    std::vector<at::Tensor> parts;
    for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
      parts.push_back(disentangled_reference(plain.part(offsets[s], offsets[s + 1]), each.spec));
    }
    const at::Tensor wanted = at::cat(parts, 0);
    EXPECT_LT(relative(got, wanted), each.tolerance);
    const at::Tensor direction = random_leaf(got.sizes(), each.dtype, 9).detach();
    (got * direction).sum().backward();
    (wanted * direction.to(at::kDouble)).sum().backward();
    for (std::size_t i = 0; i < fast.list.size(); ++i) {
      EXPECT_LT(relative(fast.list[i].grad(), plain.list[i].grad()), each.tolerance)
          << "gradient " << i;
    }
  }
}

constexpr const char* kBuckets = R"(
import json, sys, torch
from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position
buckets, largest = int(sys.argv[1]), int(sys.argv[2])
rows = make_log_bucket_position(torch.arange(1 - largest, largest), buckets, largest).long()
print(json.dumps(torch.clamp(rows + buckets, 0, 2 * buckets - 1).tolist()))
)";

TEST(PositionRows, EqualTransformersForEveryDistance) {
  const std::string python = test::oracle_python("transformers,torch");
  if (python.empty()) GTEST_SKIP() << "no Python with transformers";
  for (const DisentangledSpec& spec : {DisentangledSpec{512, 256}, DisentangledSpec{128, 32}}) {
    const Json wanted = parse_json(
        test::run_oracle(python, kBuckets,
                         {std::to_string(spec.buckets), std::to_string(spec.max_distance)}),
        "oracle");
    const at::Tensor rows = position_rows(
        at::arange(1 - spec.max_distance, spec.max_distance, at::TensorOptions().dtype(at::kLong)),
        spec);
    ASSERT_EQ(static_cast<std::int64_t>(wanted.size()), 2 * spec.max_distance - 1);
    const auto* got = rows.const_data_ptr<std::int64_t>();
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_EQ(got[i], wanted[i].get<std::int64_t>())
          << "distance " << static_cast<std::int64_t>(i) + 1 - spec.max_distance;
    }
  }
}

TEST(PositionRows, OfDistancesWithoutBucketsEndAtTheTable) {
  const at::Tensor rows =
      position_rows(at::arange(-6, 7, at::TensorOptions().dtype(at::kLong)), {4, 0});
  const std::vector<std::int64_t> wanted{0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7};
  EXPECT_TRUE(rows.equal(at::tensor(wanted, at::TensorOptions().dtype(at::kLong))));
}

}  // namespace disentangled_test
}  // namespace svtune
