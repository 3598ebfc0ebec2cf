#include "io/safetensors_source.h"

#include <cstring>

#include "base/errors.h"
#include "base/hash.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr struct {
  DType file;
  at::ScalarType torch;
} kTypes[] = {
    {DType::kF32, at::kFloat}, {DType::kF64, at::kDouble}, {DType::kBF16, at::kBFloat16},
    {DType::kF16, at::kHalf},  {DType::kI64, at::kLong},   {DType::kI32, at::kInt},
    {DType::kI8, at::kChar},   {DType::kU8, at::kByte},    {DType::kBool, at::kBool},
};

bool aligned(const std::byte* data, at::ScalarType type) {
  return reinterpret_cast<std::uintptr_t>(data) % at::elementSize(type) == 0;
}

}  // namespace

std::optional<at::ScalarType> scalar_type_of(DType dtype) {
  for (const auto& each : kTypes) {
    if (each.file == dtype) return each.torch;
  }
  return std::nullopt;
}

DType dtype_of(at::ScalarType type) {
  for (const auto& each : kTypes) {
    if (each.torch == type) return each.file;
  }
  throw std::invalid_argument("no safetensors dtype for " + std::string(at::toString(type)));
}

SafetensorsSource::SafetensorsSource(const std::filesystem::path& path)
    : files_(std::make_shared<CheckpointFiles>(path)) {}

std::optional<at::Tensor> SafetensorsSource::read(const std::string& name,
                                                  at::ScalarType dtype) const {
  const auto entry = files_->find(name);
  if (!entry) return std::nullopt;
  const auto stored = scalar_type_of(entry->info->dtype);
  // Integers that stand for real numbers need a scale that is not known here.
  if (!stored || (at::isFloatingType(dtype) && !at::isFloatingType(*stored))) {
    throw FileError(entry->file->path().string(), "tensor " + name + " has dtype " +
                                                      std::string(dtype_name(entry->info->dtype)) +
                                                      ", need a plain float type");
  }
  const std::span<const std::byte> bytes = entry->data();
  const at::ScalarType type = *stored;
  at::Tensor tensor;
  if (aligned(bytes.data(), type)) {
    // The mapping is private and nothing writes to base weights, so the view is safe; it
    // keeps the files mapped as long as it lives.
    tensor = at::from_blob(
        const_cast<std::byte*>(bytes.data()), entry->info->shape, [keep = files_](void*) {}, type);
  } else {
    tensor = at::empty(entry->info->shape, type);
    std::memcpy(tensor.mutable_data_ptr(), bytes.data(), bytes.size());
  }
  if (type == dtype) return tensor;
  at::Tensor converted = tensor.to(dtype);
  converted_.insert(name);
  entry->file->release(*entry->info);
  return converted;
}

std::optional<at::ScalarType> SafetensorsSource::dtype(const std::string& name) const {
  const auto entry = files_->find(name);
  return entry ? scalar_type_of(entry->info->dtype) : std::nullopt;
}

std::vector<std::string> SafetensorsSource::names() const {
  std::vector<std::string> list;
  for (const auto& [name, entry] : files_->entries()) list.push_back(name);
  return list;
}

at::ScalarType SafetensorsSource::stored_dtype() const {
  std::map<at::ScalarType, std::uint64_t> bytes;
  for (const auto& [name, entry] : files_->entries()) {
    if (const auto type = scalar_type_of(entry.info->dtype)) bytes[*type] += entry.data().size();
  }
  at::ScalarType most = at::kFloat;
  std::uint64_t largest = 0;
  for (const auto& [type, count] : bytes) {
    if (at::isFloatingType(type) && count > largest) {
      most = type;
      largest = count;
    }
  }
  return most;
}

std::uint64_t SafetensorsSource::hash(const std::string& name) const {
  const auto entry = files_->find(name);
  if (!entry) return 0;
  const std::uint64_t hash = hash64(entry->data());
  if (converted_.contains(name)) entry->file->release(*entry->info);
  return hash;
}

void SafetensorsSource::release(const std::string& name) const {
  if (const auto entry = files_->find(name)) entry->file->release(*entry->info);
}

}  // namespace svtune
