// A file of named tensors, whatever its format.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "formats/safetensors_header.h"

namespace svtune {

class TensorStore {
 public:
  virtual ~TensorStore() = default;
  virtual const std::filesystem::path& path() const noexcept = 0;
  // In file order.
  virtual const std::vector<TensorInfo>& tensors() const noexcept = 0;
  // nullptr when there is no such tensor. Valid as long as this object lives, moves included.
  virtual const TensorInfo* find(std::string_view name) const = 0;
  // Little-endian elements, row-major; the start may be unaligned for the element type.
  virtual std::span<const std::byte> data(const TensorInfo& info) const = 0;
  // Lets the system drop the pages of a tensor that was just read.
  virtual void release(const TensorInfo& info) const noexcept = 0;
};

}  // namespace svtune
