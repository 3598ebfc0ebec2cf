// The weights of a Hugging Face model directory behind one look-up by tensor name:
// model.safetensors, or the shards named by model.safetensors.index.json, or where neither lies
// there pytorch_model.bin, or the shards of pytorch_model.bin.index.json.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/tensor_store.h"

namespace svtune {

class CheckpointFiles {
 public:
  struct Entry {
    const TensorStore* file = nullptr;
    const TensorInfo* info = nullptr;
    std::span<const std::byte> data() const { return file->data(*info); }
  };

  // `path`: a model directory, or one file of tensors: by its ending .bin, .pt or .pth what
  // torch.save wrote (formats/torch_file.h), else safetensors. Throws FileError when there are no
  // weights, a shard is missing or malformed, or the index is: file names that are not plain
  // names inside the directory, tensors that are missing (all are listed) or stored twice.
  explicit CheckpointFiles(const std::filesystem::path& path);

  std::optional<Entry> find(std::string_view name) const;
  // The file that holds the tensor; for one that is missing, the index or the only file.
  const std::filesystem::path& place_of(std::string_view name) const;
  // All tensors, by name.
  const std::map<std::string, Entry, std::less<>>& entries() const noexcept { return entries_; }
  std::size_t file_count() const noexcept { return files_.size(); }
  // Tensors that a shard holds but the index does not mention; they are not in entries().
  const std::vector<std::string>& unindexed() const noexcept { return unindexed_; }
  // Bytes of all tensors together.
  std::uint64_t total_bytes() const;

 private:
  void add_single(const std::filesystem::path& file);
  void add_sharded(const std::filesystem::path& index);

  std::filesystem::path list_;  // where a tensor would be named
  std::vector<std::unique_ptr<const TensorStore>> files_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::vector<std::string> unindexed_;
};

}  // namespace svtune
