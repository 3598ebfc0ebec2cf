#include "formats/torch_file.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>

#include "base/errors.h"

namespace svtune {
namespace {

// The tensor's elements, row by row.
std::vector<std::byte> row_major_copy(std::span<const std::byte> from, const TorchTensor& tensor) {
  const std::vector<std::int64_t>& shape = tensor.info.shape;
  const auto width = static_cast<std::size_t>(dtype_bits(tensor.info.dtype)) / 8;
  const auto count = static_cast<std::size_t>(tensor.info.element_count());
  std::vector<std::byte> out(count * width);
  std::vector<std::int64_t> place(shape.size(), 0);
  std::int64_t at = 0;  // elements from the start of `from`
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(out.data() + i * width, from.data() + static_cast<std::size_t>(at) * width, width);
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      at += tensor.strides[axis];
      if (++place[axis] < shape[axis]) break;
      at -= tensor.strides[axis] * shape[axis];
      place[axis] = 0;
    }
  }
  return out;
}

// Many names may share one storage.
constexpr std::uint64_t kMostCopies = 4;

}  // namespace

TorchFile::TorchFile(const std::filesystem::path& path) : path_(path), mapping_(path) {
  std::vector<TorchTensor> parsed = parse_torch_file(mapping_.bytes(), path.string());
  std::uint64_t copied = 0;
  tensors_.reserve(parsed.size());  // the index points into their names
  for (TorchTensor& tensor : parsed) {
    if (!tensor.row_major) {
      const auto bytes = mapping_.bytes().subspan(tensor.info.begin, tensor.info.byte_size());
      std::vector<std::byte> copy = row_major_copy(bytes, tensor);
      copied += copy.size();
      if (copied / kMostCopies > mapping_.bytes().size()) {
        throw FileError(path.string(),
                        "copies of its tensors that do not lie row by row would take more than " +
                            std::to_string(kMostCopies) + " times the file",
                        "Save the model's state dict as safetensors.");
      }
      tensor.info.begin = 0;
      tensor.info.end = copy.size();
      copies_.emplace(tensor.info.name, std::move(copy));
    }
    tensors_.push_back(std::move(tensor.info));
    index_.emplace(tensors_.back().name, tensors_.size() - 1);
  }
}

const TensorInfo* TorchFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

std::span<const std::byte> TorchFile::data(const TensorInfo& info) const {
  const auto copy = copies_.find(info.name);
  if (copy != copies_.end()) return copy->second;
  return mapping_.bytes().subspan(info.begin, info.byte_size());
}

void TorchFile::release(const TensorInfo& info) const noexcept {
  if (!copies_.contains(info.name)) mapping_.release_pages(data(info));
}

bool is_torch_file_name(const std::filesystem::path& path) {
  constexpr std::string_view kEndings[] = {".bin", ".pt", ".pth"};
  return std::ranges::find(kEndings, path.extension().string()) != std::end(kEndings);
}

}  // namespace svtune
