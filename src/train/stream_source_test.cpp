#include "train/stream_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "train/train_test_util.h"

namespace svtune {
namespace stream_source_test {

using ::testing::ElementsAre;

std::vector<std::int64_t> values(const at::Tensor& tensor) {
  const std::int64_t* data = tensor.const_data_ptr<std::int64_t>();
  return {data, data + tensor.numel()};
}

TEST(StreamSource, BatchHoldsThePackedTokens) {
  PackedBatch packed;
  append_document(packed, {{5, 6, 7}, {0, 1, 1}});
  append_document(packed, {{8, 9}, {0, 1}});
  const Batch batch = to_batch(packed);
  EXPECT_THAT(values(batch.tokens), ElementsAre(5, 6, 7, 8, 9));
  EXPECT_THAT(values(batch.positions), ElementsAre(0, 1, 2, 0, 1));
  EXPECT_THAT(batch.offsets, ElementsAre(0, 3, 5));
  EXPECT_THAT(values(batch.supervised), ElementsAre(0, 1, 3));
  EXPECT_THAT(values(batch.targets), ElementsAre(6, 7, 9));
}

TEST(StreamSource, EachDocumentKeepsItsImage) {
  PackedBatch packed;
  packed.tokens = {0, 0, 0, 0};
  packed.positions = {0, 1, 0, 1};
  packed.offsets = {0, 2, 4};
  packed.classes = {1, 0};
  packed.image_height = 1;
  packed.image_width = 2;
  for (int i = 0; i < 12; ++i) packed.pixels.push_back(static_cast<float>(i));
  const std::vector<Batch> parts = split_documents(to_batch(packed));
  ASSERT_EQ(parts.size(), 2u);
  ASSERT_EQ(parts[1].images.sizes(), (at::IntArrayRef{1, 3, 1, 2}));
  EXPECT_EQ(parts[1].images[0][2][0][1].item<float>(), 11);
  EXPECT_EQ(parts[1].num_supervised(), 1);
  packed.pixels.pop_back();
  EXPECT_THROW(to_batch(packed), ModelError);
}

TEST(StreamSource, SplitDocumentsJoinToTheBatch) {
  const std::vector<test::Document> documents = {{1, 2, 3}, {4}, {5, 6}};
  const std::vector<Batch> parts = split_documents(test::pack(documents));
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_THAT(values(parts[0].tokens), ElementsAre(1, 2, 3));
  EXPECT_THAT(values(parts[0].targets), ElementsAre(2, 3));
  EXPECT_EQ(parts[1].num_supervised(), 0);
  EXPECT_THAT(values(parts[2].tokens), ElementsAre(5, 6));
  EXPECT_THAT(values(parts[2].positions), ElementsAre(0, 1));
  EXPECT_THAT(values(parts[2].supervised), ElementsAre(0));
  EXPECT_THAT(values(parts[2].targets), ElementsAre(6));
  EXPECT_THAT(parts[2].offsets, ElementsAre(0, 2));
}

TEST(StreamSource, MaxStepsRepeatsTheDataAndSeedsDiffer) {
  TrainConfig config;
  config.epochs = 2;
  config.batch.batch_size = 3;
  EXPECT_EQ(stream_options(config).epochs, 2);
  EXPECT_EQ(stream_options(config).sequences, 3);
  const std::uint64_t seed = stream_options(config).seed;
  config.max_steps = 7;
  config.seed = 43;
  EXPECT_EQ(stream_options(config).epochs, std::numeric_limits<std::int64_t>::max());
  EXPECT_NE(stream_options(config).seed, seed);
}

}  // namespace stream_source_test
}  // namespace svtune
