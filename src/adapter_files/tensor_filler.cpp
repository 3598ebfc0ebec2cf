#include "adapter_files/tensor_filler.h"

#include "adapters/peft_names.h"
#include "base/errors.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"

namespace svtune {

TensorFiller::TensorFiller(const std::filesystem::path& path,
                           const std::vector<RunningName>& running)
    : path_(path), file_(path) {
  for (const auto& [key, stored] : keys_without_adapter_name(file_.names(), path.string())) {
    const std::string usual = stored_path(running, key);
    if (!stored_.emplace(usual, stored).second) problem(usual + " is there under two names");
    unread_.insert(usual);
  }
}

std::optional<at::Tensor> TensorFiller::read(const std::string& key, at::ScalarType dtype) const {
  if (const auto supplied = supplied_.find(key); supplied != supplied_.end()) {
    return supplied->second.to(dtype);
  }
  const auto stored = stored_.find(key);
  return stored == stored_.end() ? std::nullopt : file_.read(stored->second, dtype);
}

void TensorFiller::supply(const std::string& key, const at::Tensor& tensor) {
  if (holds(key)) problem(key + " is there in two forms");
  supplied_.emplace(key, tensor);
  unread_.insert(key);
}

void TensorFiller::fill(const std::string& key, const at::Tensor& into) {
  unread_.erase(key);
  const auto tensor = read(key, into.scalar_type());
  if (!tensor) {
    problem(key + " is missing");
  } else if (tensor->sizes() != into.sizes()) {
    problem(key + " has shape " + shape_text(tensor->sizes()) + ", the model needs " +
            shape_text(into.sizes()));
  } else if (!std::isfinite(tensor->sum(at::kDouble).item<double>())) {
    problem(key + " holds NaN or infinity");
    ++not_finite_;
  } else {
    into.detach().copy_(*tensor);
  }
}

at::Tensor TensorFiller::take(const std::string& key, at::ScalarType dtype) {
  unread_.erase(key);
  return *read(key, dtype);
}

void TensorFiller::finish() {
  for (const std::string& name : unread_) problem(name + " has no place in the model");
  if (problems_.empty()) return;
  constexpr std::size_t kShown = 8;
  throw FileError(
      path_.string(), join_some(problems_, "; ", kShown),
      not_finite_ == problems_.size()
          ? "The training that wrote it diverged, or the file was damaged; take an earlier one."
          : "Does the adapter belong to this base model, and its configuration to its weights?");
}

}  // namespace svtune
