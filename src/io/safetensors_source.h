// Weights of a Hugging Face directory as tensors, mapped where the dtype fits: of safetensors, or
// of what torch.save wrote (formats/checkpoint_files.h).
#pragma once

#include <memory>
#include <set>
#include <string>

#include "formats/checkpoint_files.h"
#include "io/model.h"

namespace svtune {

class SafetensorsSource final : public WeightSource {
 public:
  // Throws FileError as CheckpointFiles does.
  explicit SafetensorsSource(const std::filesystem::path& path);

  std::optional<at::Tensor> read(const std::string& name, at::ScalarType dtype) const override;
  std::filesystem::path place_of(const std::string& name) const override {
    return files_->place_of(name);
  }
  std::vector<std::string> names() const override;
  // Of the stored tensor; nullopt when there is none or svtune has no such dtype.
  std::optional<at::ScalarType> dtype(const std::string& name) const override;
  at::ScalarType stored_dtype() const override;
  std::uint64_t hash(const std::string& name) const override;
  void release(const std::string& name) const override;

 private:
  std::shared_ptr<const CheckpointFiles> files_;
  mutable std::set<std::string> converted_;  // what was read as a copy
};

// Torch's dtype of a safetensors dtype; nullopt for those svtune does not compute with.
std::optional<at::ScalarType> scalar_type_of(DType dtype);
// The reverse, for writing. Throws std::invalid_argument for others than fp32, fp64, bf16,
// fp16 and the integer types.
DType dtype_of(at::ScalarType type);

}  // namespace svtune
