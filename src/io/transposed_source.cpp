#include "io/transposed_source.h"

#include <algorithm>
#include <utility>

#include "libtorch/prelude.h"

namespace svtune {
namespace {

class TransposedSource final : public WeightSource {
 public:
  TransposedSource(std::shared_ptr<const WeightSource> stored, ArchSpec spec)
      : stored_(std::move(stored)), spec_(std::move(spec)) {}

  std::optional<at::Tensor> read(const std::string& name, at::ScalarType dtype) const override {
    std::optional<at::Tensor> tensor = stored_->read(name, dtype);
    const bool turns = tensor && tensor->dim() == 2 && is_transposed(spec_, name);
    if (!turns || stored_->read_quantized(name)) return tensor;
    at::Tensor matrix = tensor->t().contiguous();
    stored_->release(name);
    return matrix;
  }
  std::shared_ptr<const QuantizedMatrix> read_quantized(const std::string& name) const override {
    return stored_->read_quantized(name);
  }
  std::optional<at::ScalarType> dtype(const std::string& name) const override {
    return stored_->dtype(name);
  }
  std::optional<at::ScalarType> value_dtype(const std::string& name) const override {
    return stored_->value_dtype(name);
  }
  std::filesystem::path place_of(const std::string& name) const override {
    return stored_->place_of(name);
  }
  std::vector<std::string> names() const override { return stored_->names(); }
  at::ScalarType stored_dtype() const override { return stored_->stored_dtype(); }
  std::uint64_t hash(const std::string& name) const override { return stored_->hash(name); }
  void release(const std::string& name) const override { stored_->release(name); }

 private:
  std::shared_ptr<const WeightSource> stored_;
  ArchSpec spec_;
};

}  // namespace

bool is_transposed(const ArchSpec& spec, const std::string& name) {
  return std::ranges::any_of(spec.transposed,
                             [&](const std::string& end) { return name.ends_with(end); });
}

at::Tensor turned(const ArchSpec& spec, const std::string& name, const at::Tensor& tensor) {
  return is_transposed(spec, name) ? tensor.t() : tensor;
}

std::shared_ptr<const WeightSource> untransposed(std::shared_ptr<const WeightSource> stored,
                                                 const ArchSpec& spec) {
  if (spec.transposed.empty()) return stored;
  return std::make_shared<TransposedSource>(std::move(stored), spec);
}

}  // namespace svtune
