// Model directories: single and sharded round trips, hostile indexes, and the split compared
// with huggingface_hub.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "base/json.h"
#include "base/oracle_test_util.h"
#include "formats/checkpoint_files.h"
#include "formats/checkpoint_writer.h"

namespace svtune {
namespace checkpoint_test {

using ::testing::HasSubstr;

std::vector<TensorSpec> specs_of(const std::vector<int>& sizes) {
  std::vector<TensorSpec> specs;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    specs.push_back({"t" + std::to_string(i),
                     i % 2 == 0 ? DType::kU8 : DType::kF32,
                     {i % 2 == 0 ? sizes[i] : sizes[i] / 4}});
  }
  return specs;
}

void write_checkpoint(const std::filesystem::path& directory, const std::vector<int>& sizes,
                      std::uint64_t limit) {
  std::filesystem::create_directories(directory);
  CheckpointWriter writer(directory, specs_of(sizes), limit);
  for (const TensorSpec& spec : writer.order()) {
    const std::string data(sizes[std::stoul(spec.name.substr(1))], spec.name.back());
    writer.write(spec.name, std::as_bytes(std::span(data.data(), data.size())));
  }
  writer.commit();
}

std::string error_of(const std::filesystem::path& path) {
  try {
    CheckpointFiles files(path);
  } catch (const FileError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Checkpoint, SingleAndShardedRoundTrip) {
  for (const std::uint64_t limit : {1000000UL, 100UL}) {
    test::TempDirectory directory;
    const std::vector<int> sizes = {40, 40, 80, 120, 0, 8};
    write_checkpoint(directory.path(), sizes, limit);
    const CheckpointFiles files(directory.path());
    EXPECT_EQ(files.file_count(), limit == 100 ? 3U : 1U);
    EXPECT_EQ(files.entries().size(), sizes.size());
    EXPECT_EQ(files.total_bytes(), 288U);
    EXPECT_TRUE(files.unindexed().empty());
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const auto entry = files.find("t" + std::to_string(i));
      ASSERT_TRUE(entry.has_value());
      ASSERT_EQ(entry->data().size(), static_cast<std::size_t>(sizes[i]));
      for (const std::byte b : entry->data())
        EXPECT_EQ(static_cast<char>(b), static_cast<char>('0' + i));
    }
    EXPECT_FALSE(files.find("t99").has_value());
  }
}

TEST(Checkpoint, SplitEqualsHuggingfaceHub) {
  const std::string python = test::oracle_python("huggingface_hub");
  if (python.empty()) GTEST_SKIP() << "no Python with huggingface_hub";
  test::TempDirectory directory;
  const std::vector<int> sizes = {40, 40, 80, 120, 4, 8, 96, 100, 12, 200, 40, 60};
  write_checkpoint(directory.path(), sizes, 100);
  const std::string script = R"(
import json, sys
from huggingface_hub.serialization._base import split_state_dict_into_shards_factory as split
sizes = json.loads(sys.argv[1])
plan = split({f't{i}': n for i, n in enumerate(sizes)}, get_storage_size=lambda n: n, max_shard_size=100,
             filename_pattern='model{suffix}.safetensors')
print(json.dumps(plan.tensor_to_filename, sort_keys=True), end='')
)";
  const Json index = read_json_file(directory / "model.safetensors.index.json");
  JsonStyle sorted;
  sorted.sort_keys = true;
  EXPECT_EQ(dump_json(index["weight_map"], sorted),
            test::run_oracle(python, script, {dump_json(Json(sizes))}));
  EXPECT_EQ(index["metadata"]["total_size"], 800);
}

TEST(Checkpoint, HostileIndexesAreRefused) {
  test::TempDirectory directory;
  write_checkpoint(directory / "m", {40, 80, 40}, 100);
  const auto index_path = directory / "m/model.safetensors.index.json";
  const std::string good = read_file(index_path, 10000);
  const auto with = [&](const std::string& index) {
    write_file_atomic(index_path, index);
    return error_of(directory / "m");
  };
  EXPECT_EQ(with(good), "accepted");
  for (const char* name :
       {"../x.safetensors", "/etc/passwd", "a/b.safetensors", "..", "", "a\\\\b"}) {
    EXPECT_THAT(with(std::string(R"({"weight_map":{"t0":")") + name + "\"}}"),
                HasSubstr("not a plain file name"))
        << name;
  }
  EXPECT_THAT(with(R"({"weight_map":{"t0":1}})"), HasSubstr("is not a file name"));
  EXPECT_THAT(with(R"({"weight_map":[]})"), HasSubstr("\"weight_map\" is missing"));
  EXPECT_THAT(with(R"({"weight_map":{}})"), HasSubstr("is empty"));
  EXPECT_THAT(with(R"({"weight_map":{"a":"x","a":"y"}})"), HasSubstr("occurs twice"));
  EXPECT_THAT(with(R"({"weight_map":{"t0":"none.safetensors"}})"), HasSubstr("No such file"));
  EXPECT_THAT(with("{"), HasSubstr("malformed JSON"));
  const std::string first = "model-00001-of-00003.safetensors";
  EXPECT_THAT(with(R"({"weight_map":{"t0":")" + first + R"(","x":")" + first + R"(","y":")" +
                   first + "\"}}"),
              HasSubstr("shards lack: x (" + first + "), y"));
}

TEST(Checkpoint, TensorsInTwoShardsAreRefusedAndExtrasListed) {
  test::TempDirectory directory;
  write_checkpoint(directory / "a", {40}, 100);
  std::filesystem::copy_file(directory / "a/model.safetensors", directory / "a/one.safetensors");
  write_checkpoint(directory / "b", {40, 40}, 100);
  std::filesystem::copy_file(directory / "b/model.safetensors", directory / "a/two.safetensors");
  std::filesystem::remove(directory / "a/model.safetensors");
  const auto index = directory / "a/model.safetensors.index.json";
  write_file_atomic(index, R"({"weight_map":{"t0":"one.safetensors","t1":"two.safetensors"}})");
  EXPECT_THAT(error_of(directory / "a"), HasSubstr("more than one shard: t0"));
  write_file_atomic(index, R"({"weight_map":{"t1":"two.safetensors"}})");
  EXPECT_THAT(CheckpointFiles(directory / "a").unindexed(), ::testing::ElementsAre("t0"));
}

TEST(Checkpoint, MissingWeightsAreExplained) {
  test::TempDirectory directory;
  EXPECT_THAT(error_of(directory / "none"), HasSubstr("does not exist"));
  EXPECT_THAT(error_of(directory.path()), HasSubstr("has no model weights"));
  write_file_atomic(directory / "pytorch_model.bin", "x");
  EXPECT_THAT(error_of(directory.path()), HasSubstr("no file that torch.save wrote"));
}

}  // namespace checkpoint_test
}  // namespace svtune
