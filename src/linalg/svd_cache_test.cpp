// Decompositions through the cache: the same bits, and never those of something else.
#include "linalg/svd_cache.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "base/files.h"
#include "linalg/svd_test_util.h"

namespace svtune {
namespace svd_cache_test {

namespace fs = std::filesystem;
using testing::model_like;

constexpr std::uint64_t kAmple = std::uint64_t{1} << 30;

class SvdCacheTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::remove_all(root_); }
  void TearDown() override { fs::remove_all(root_); }

  // A cache as another process would open it, for weights of any size.
  struct Opened {
    explicit Opened(const fs::path& path, std::int64_t smallest = 1)
        : store(path, kAmple), cache(store, smallest) {}
    BlobCache store;
    SvdCache cache;
  };

  const fs::path root_ =
      fs::path(::testing::TempDir()) / ("svtune_svd_cache_" + std::to_string(::getpid()));
};

void expect_same(const TruncatedSvd& a, const TruncatedSvd& b) {
  EXPECT_TRUE(a.U.equal(b.U));
  EXPECT_TRUE(a.S.equal(b.S));
  EXPECT_TRUE(a.V.equal(b.V));
  EXPECT_TRUE(a.certificate.residuals.equal(b.certificate.residuals));
  EXPECT_EQ(a.certificate.algorithm, b.certificate.algorithm);
  EXPECT_EQ(a.certificate.fallback, b.certificate.fallback);
  EXPECT_EQ(a.certificate.passes, b.certificate.passes);
  EXPECT_EQ(a.certificate.max_residual, b.certificate.max_residual);
  EXPECT_EQ(a.certificate.captured_energy, b.certificate.captured_energy);
}

TEST_F(SvdCacheTest, SecondResultHasTheBitsOfTheFirst) {
  for (const auto dtype : {at::kBFloat16, at::kFloat, at::kDouble}) {
    const at::Tensor weight = model_like(300, 200, 1).to(dtype);
    const TruncatedSvd plain = truncated_svd(weight, 16);
    expect_same(Opened(root_).cache.truncated(weight, 16, {}), plain);
    Opened second(root_);
    expect_same(second.cache.truncated(weight, 16, {}), plain);
    EXPECT_EQ(second.cache.found(), 1);
    EXPECT_EQ(second.cache.missing(), 0);
  }
}

TEST_F(SvdCacheTest, FullResultsToo) {
  const at::Tensor weight = model_like(120, 300, 2);
  const ThinSvd plain = full_svd(weight);
  Opened first(root_), second(root_);
  for (SvdCache* cache : {&first.cache, &second.cache}) {
    const ThinSvd svd = full_svd(cache, weight);
    EXPECT_TRUE(svd.U.equal(plain.U));
    EXPECT_TRUE(svd.S.equal(plain.S));
    EXPECT_TRUE(svd.V.equal(plain.V));
    EXPECT_EQ(svd.algorithm, plain.algorithm);
  }
  EXPECT_EQ(second.cache.found(), 1);
}

// Whatever may change a bit of the result is part of the key.
TEST_F(SvdCacheTest, OtherWeightsAndRequestsAreNotMixedUp) {
  const at::Tensor weight = model_like(120, 80, 3);
  Opened opened(root_);
  opened.cache.truncated(weight, 8, {});
  at::Tensor changed = weight.clone();
  changed[119][79] += 0.25;
  const TruncatedSvdOptions fast{.algorithm = SvdAlgorithm::kFast, .niter = 2};
  std::int64_t expected = 1;
  const auto expect_computed = [&](const at::Tensor& matrix, std::int64_t rank,
                                   const TruncatedSvdOptions& options) {
    expect_same(opened.cache.truncated(matrix, rank, options),
                truncated_svd(matrix, rank, options));
    EXPECT_EQ(opened.cache.missing(), ++expected);
  };
  expect_computed(changed, 8, {});
  expect_computed(weight.view({80, 120}), 8, {});
  expect_computed(weight.to(at::kFloat), 8, {});
  expect_computed(weight, 9, {});
  expect_computed(weight, 8, {.part = SpectrumPart::kMinor});
  expect_computed(weight, 8, {.part = SpectrumPart::kRange, .range_begin = 3});
  expect_computed(weight, 8, {.part = SpectrumPart::kRange, .range_begin = 4});
  expect_computed(weight, 8, {.seed = 5});
  expect_computed(weight, 8, fast);
  TruncatedSvdOptions more = fast;
  more.niter = 3;
  expect_computed(weight, 8, more);
  more.oversample = 2;
  expect_computed(weight, 8, more);
  EXPECT_EQ(opened.cache.found(), 0);
  EXPECT_EQ(opened.store.entries().size(), static_cast<std::size_t>(expected));
}

TEST_F(SvdCacheTest, ATransposedViewIsItsOwnMatrix) {
  const at::Tensor weight = model_like(90, 60, 4);
  Opened opened(root_);
  opened.cache.truncated(weight, 4, {});
  expect_same(opened.cache.truncated(weight.t(), 4, {}), truncated_svd(weight.t(), 4));
  opened.cache.truncated(weight.t().contiguous(), 4, {});
  EXPECT_EQ(opened.cache.found(), 1);
}

TEST_F(SvdCacheTest, DamagedAndForeignEntriesAreMadeAnew) {
  const at::Tensor weight = model_like(120, 80, 5);
  const TruncatedSvd plain = truncated_svd(weight, 8);
  Opened(root_).cache.truncated(weight, 8, {});
  const fs::path entry = fs::directory_iterator(root_)->path();
  std::string bytes = read_file(entry, kAmple);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] + 1);
  std::ofstream(entry, std::ios::binary) << bytes;
  Opened damaged(root_);
  expect_same(damaged.cache.truncated(weight, 8, {}), plain);
  EXPECT_EQ(damaged.cache.missing(), 1);
  EXPECT_EQ(damaged.store.damaged(), 1);
  expect_same(Opened(root_).cache.truncated(weight, 8, {}), plain);
  // Sound entries under the wrong key, and ones that are no decomposition.
  BlobCache store(root_, kAmple);
  const std::string key = store.entries().at(0).key;
  for (const std::string& text : {std::string("no line"), std::string("{}\n"),
                                  std::string("{\"for\": {\"version\": 1}}\n")}) {
    const std::string_view piece = text;
    store.store(key, std::span(&piece, 1));
    Opened opened(root_);
    expect_same(opened.cache.truncated(weight, 8, {}), plain);
    EXPECT_EQ(opened.cache.missing(), 1);
  }
}

// An entry whose bytes are what was stored, of vectors that are none: garbage that a library left.
TEST_F(SvdCacheTest, WrongVectorsAreMadeAnew) {
  const at::Tensor weight = model_like(120, 80, 5);
  const ThinSvd full = full_svd(weight);
  const TruncatedSvd part = truncated_svd(weight, 8);
  {
    Opened opened(root_);
    opened.cache.full(weight);
    opened.cache.truncated(weight, 8, {});
    for (const auto& entry : opened.store.entries()) {
      std::string bytes = opened.store.find(entry.key).value();
      const std::size_t vectors = bytes.find('\n') + 1;
      std::swap_ranges(bytes.begin() + vectors, bytes.begin() + vectors + 400,
                       bytes.begin() + vectors + 400);
      const std::string_view piece = bytes;
      opened.store.store(entry.key, std::span(&piece, 1));
    }
  }
  Opened opened(root_);
  EXPECT_TRUE(opened.cache.full(weight).U.equal(full.U));
  expect_same(opened.cache.truncated(weight, 8, {}), part);
  EXPECT_EQ(opened.cache.found(), 0);
  EXPECT_EQ(opened.cache.missing(), 2);
}

TEST_F(SvdCacheTest, SmallWeightsAreNotKept) {
  Opened opened(root_, /*smallest=*/40);
  opened.cache.truncated(model_like(39, 300, 6), 4, {});
  opened.cache.full(model_like(300, 39, 6));
  EXPECT_TRUE(opened.store.entries().empty());
  opened.cache.full(model_like(300, 40, 6));
  EXPECT_EQ(opened.store.entries().size(), 1u);
}

TEST_F(SvdCacheTest, ErrorsPassThroughAndNothingIsKept) {
  Opened opened(root_);
  EXPECT_THROW(opened.cache.truncated(model_like(10, 8, 7), 9, {}), std::invalid_argument);
  EXPECT_THROW(opened.cache.truncated({}, 1, {}), std::invalid_argument);
  EXPECT_TRUE(opened.store.entries().empty());
}

TEST_F(SvdCacheTest, WithoutAPlaceResultsAreTheSame) {
  std::ofstream(root_) << "a file in the way";
  Opened opened(root_);
  const at::Tensor weight = model_like(60, 50, 8);
  expect_same(opened.cache.truncated(weight, 4, {}), truncated_svd(weight, 4));
  EXPECT_NE(opened.store.warning(), "");
}

}  // namespace svd_cache_test
}  // namespace svtune
