// Writing the weights of a model directory: one model.safetensors, or shards with an index
// when they exceed the limit (greedy split in the order given, as huggingface_hub does).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/safetensors_writer.h"

namespace svtune {

inline constexpr std::uint64_t kDefaultShardBytes = 5'000'000'000;

class CheckpointWriter {
 public:
  // Plans the files in `directory` (which must exist; use AtomicDirectory to make it appear
  // at once). A tensor above the limit gets its own shard.
  CheckpointWriter(std::filesystem::path directory, std::vector<TensorSpec> specs,
                   std::uint64_t max_shard_bytes = kDefaultShardBytes);

  // The order in which data must arrive, over all shards.
  const std::vector<TensorSpec>& order() const noexcept { return order_; }
  // Whole tensor or its next part; see SafetensorsWriter::write. Throws ModelError naming the
  // tensor when a value is infinite or NaN: every model that is written passes here.
  void write(std::string_view name, std::span<const std::byte> bytes);
  // Finishes the last file and writes the index when there is more than one.
  void commit();
  std::size_t shard_count() const noexcept { return shards_.size(); }

 private:
  struct Shard {
    std::string file_name;
    std::vector<TensorSpec> specs;  // in writing order
  };

  void open_shard(std::size_t shard);
  void write_index() const;

  std::filesystem::path directory_;
  std::vector<Shard> shards_;
  std::vector<TensorSpec> order_;
  std::unordered_map<std::string, DType> dtypes_;
  std::size_t current_ = 0;
  std::unique_ptr<SafetensorsWriter> writer_;
  std::uint64_t left_in_shard_ = 0;  // bytes
};

}  // namespace svtune
