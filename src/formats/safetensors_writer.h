// Writing safetensors files tensor by tensor: the layout is fixed by the declarations, so the
// data can stream through with no more than one piece in memory. Files are byte-equal to what
// the safetensors package writes for the same tensors and metadata.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "formats/safetensors_header.h"

namespace svtune {

// What a tensor will be, before its data exists.
struct TensorSpec {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
};

using SafetensorsMetadata = std::map<std::string, std::string>;

class SafetensorsWriter {
 public:
  // Sorts the tensors (largest dtype first, then by name) and writes the header to a
  // temporary file. Throws FileError for duplicate names, control characters in names,
  // shapes that overflow or do not fill whole bytes.
  SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorSpec> specs,
                    const SafetensorsMetadata& metadata = {{"format", "pt"}});

  // The order in which data must arrive. Empty tensors need no write.
  const std::vector<TensorInfo>& order() const noexcept { return infos_; }
  // Appends bytes of `name`: the whole tensor or its next part. Throws Error when it is
  // not this tensor's turn or the bytes exceed its size.
  void write(std::string_view name, std::span<const std::byte> bytes);
  // Renames the file into place. Throws Error when data is missing.
  void commit();

 private:
  void skip_finished();

  AtomicFile file_;
  std::vector<TensorInfo> infos_;
  std::size_t current_ = 0;
  std::uint64_t written_ = 0;  // bytes of data so far
};

}  // namespace svtune
