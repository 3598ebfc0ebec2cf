// Reading a safetensors file through a memory map: opening costs the header only, tensors
// are views into the mapping.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/files.h"
#include "formats/safetensors_header.h"
#include "formats/tensor_store.h"

namespace svtune {

class SafetensorsFile final : public TensorStore {
 public:
  // Throws FileError as read by parse_safetensors_header, or when the file cannot be mapped.
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const noexcept override { return path_; }
  const std::vector<TensorInfo>& tensors() const noexcept override { return header_.tensors; }
  const std::map<std::string, std::string>& metadata() const noexcept { return header_.metadata; }
  const TensorInfo* find(std::string_view name) const override;
  std::span<const std::byte> data(const TensorInfo& info) const override;
  void release(const TensorInfo& info) const noexcept override {
    mapping_.release_pages(data(info));
  }

 private:
  std::filesystem::path path_;
  MappedFile mapping_;
  SafetensorsHeader header_;
  std::unordered_map<std::string_view, std::size_t> index_;
};

}  // namespace svtune
