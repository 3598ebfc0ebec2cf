// Reading the state dict that torch.save wrote (pytorch_model.bin), through a memory map: the zip
// form of torch 1.6 and later, and the form before it, pickles with raw numbers behind them. The
// pickles' calls are taken as descriptions of tensors; no code of the file runs.
// Formats: torch/serialization.py, torch/_utils.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/files.h"
#include "formats/tensor_store.h"

namespace svtune {

// Of one file; models with more are sharded.
inline constexpr std::size_t kMostTorchTensors = std::size_t{1} << 17;

// One tensor and how its elements lie.
struct TorchTensor {
  TensorInfo info;                    // begin and end: bytes from the start of the file
  std::vector<std::int64_t> strides;  // elements
  bool row_major = true;  // false: begin and end are of all bytes that its elements lie among
};

// Of `file`, its whole content, of which only the descriptions are read. Throws FileError naming
// `source`: neither of the two forms, truncated, big-endian, anything but tensors with names,
// Python's objects of other kinds, element types that files of tensors seldom hold (complex,
// quantised, 8-bit floats), tensors that reach beyond their storage or repeat its elements, more
// than kMostTorchTensors of them or eight times as many axes, descriptions of more values than
// formats/pickle.h allows.
std::vector<TorchTensor> parse_torch_file(std::span<const std::byte> file,
                                          const std::string& source);

class TorchFile final : public TensorStore {
 public:
  // Tensors that do not lie row by row are copied, all others stay mapped. Throws FileError as
  // parse_torch_file, and where the copies would take four times the file.
  explicit TorchFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const noexcept override { return path_; }
  const std::vector<TensorInfo>& tensors() const noexcept override { return tensors_; }
  const TensorInfo* find(std::string_view name) const override;
  std::span<const std::byte> data(const TensorInfo& info) const override;
  void release(const TensorInfo& info) const noexcept override;

 private:
  std::filesystem::path path_;
  MappedFile mapping_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string_view, std::size_t> index_;
  std::map<std::string, std::vector<std::byte>, std::less<>> copies_;
};

// Whether a file of tensors with this name is torch.save's by custom: .bin, .pt or .pth.
bool is_torch_file_name(const std::filesystem::path& path);

}  // namespace svtune
