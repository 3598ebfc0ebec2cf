// Reading GGUF files (versions 2 and 3, little-endian) through a memory map. Format: ggml's
// docs/gguf.md. Everything read from the file is checked before use.
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
#include "formats/gguf_types.h"
#include "formats/gguf_value.h"

namespace svtune {

struct GgufTensorInfo {
  std::string name;
  std::uint32_t type = 0;           // see gguf_type_traits
  std::vector<std::int64_t> shape;  // row-major, slowest first: a matrix is [out, in]
  std::uint64_t offset = 0;         // bytes from the start of the file
  std::uint64_t bytes = 0;

  std::int64_t element_count() const;
};

struct GgufHeader {
  std::uint32_t version = 0;
  std::map<std::string, GgufValue, std::less<>> metadata;  // views into the parsed bytes
  std::vector<GgufTensorInfo> tensors;                     // in file order
};

// Parses and checks everything but the tensor data. Throws FileError naming the key or
// tensor and the byte: wrong magic or version, lengths past the end, unknown types, duplicate
// names, arrays nested deeper than 4, rank above 4, overflow, misaligned or overlapping data.
GgufHeader parse_gguf_header(std::span<const std::byte> file, const std::string& source_name);

class GgufFile {
 public:
  explicit GgufFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const noexcept { return path_; }
  std::uint32_t version() const noexcept { return header_.version; }
  const std::map<std::string, GgufValue, std::less<>>& metadata() const noexcept {
    return header_.metadata;
  }
  const std::vector<GgufTensorInfo>& tensors() const noexcept { return header_.tensors; }
  const GgufTensorInfo* find_tensor(std::string_view name) const;
  // As stored; see gguf_dequantize.
  std::span<const std::byte> data(const GgufTensorInfo& info) const;
  void release(const GgufTensorInfo& info) const noexcept { mapping_.release_pages(data(info)); }

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

  std::filesystem::path path_;
  MappedFile mapping_;
  GgufHeader header_;
  std::unordered_map<std::string_view, std::size_t> index_;
};

}  // namespace svtune
