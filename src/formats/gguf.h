// Reading GGUF models through a memory map: typed metadata and the tensors' bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/files.h"
#include "formats/gguf_header.h"

namespace svtune {

// A model in one file, or split over several of which any one is given.
class GgufFile {
 public:
  // Throws FileError as parse_gguf_header, gguf_part_paths and join_gguf_parts do.
  explicit GgufFile(const std::filesystem::path& path);

  // Of the file with the metadata.
  const std::filesystem::path& path() const noexcept { return parts_.front().path; }
  const std::filesystem::path& path_of(const GgufTensorInfo& info) const {
    return parts_[info.part].path;
  }
  std::size_t part_count() const noexcept { return parts_.size(); }
  std::uint32_t version() const noexcept { return header_.version; }
  const std::map<std::string, GgufValue, std::less<>>& metadata() const noexcept {
    return header_.metadata;
  }
  const std::vector<GgufTensorInfo>& tensors() const noexcept { return header_.tensors; }
  const GgufTensorInfo* find_tensor(std::string_view name) const;
  // As stored; see gguf_dequantize.
  std::span<const std::byte> data(const GgufTensorInfo& info) const;
  void release(const GgufTensorInfo& info) const noexcept {
    parts_[info.part].mapping.release_pages(data(info));
  }

  // Typed metadata: nullopt (nullptr) when the key is absent; FileError naming the key when
  // its value has another type or does not fit.
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string> string(std::string_view key) const;
  const GgufArray* array(std::string_view key, bool of_strings) const;
  // The same, but a missing key is a FileError too.
  std::int64_t require_integer(std::string_view key) const;
  std::string require_string(std::string_view key) const;

 private:
  const GgufValue* find(std::string_view key) const;
  [[noreturn]] void wrong_type(std::string_view key, const char* need) const;

  struct Part {
    std::filesystem::path path;
    MappedFile mapping;
  };
  std::vector<Part> parts_;
  GgufHeader header_;  // of all parts
  std::unordered_map<std::string_view, std::size_t> index_;
};

}  // namespace svtune
