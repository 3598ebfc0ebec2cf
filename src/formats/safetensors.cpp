// SafetensorsFile; see safetensors.h.
#include "formats/safetensors.h"

namespace svtune {

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path),
      mapping_(path),
      header_(parse_safetensors_header(mapping_.bytes(), path.string())) {
  for (std::size_t i = 0; i < header_.tensors.size(); ++i) {
    index_.emplace(header_.tensors[i].name, i);
  }
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &header_.tensors[found->second];
}

std::span<const std::byte> SafetensorsFile::data(const TensorInfo& info) const {
  return mapping_.bytes().subspan(header_.data_offset + info.begin, info.byte_size());
}

}  // namespace svtune
