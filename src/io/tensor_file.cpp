#include "io/tensor_file.h"

#include <cstring>
#include <map>
#include <span>
#include <string>

#include "base/errors.h"
#include "base/text_util.h"
#include "formats/safetensors.h"
#include "formats/safetensors_writer.h"
#include "io/safetensors_source.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

std::string expectation(const at::Tensor& tensor) {
  return std::string(dtype_name(dtype_of(tensor.scalar_type()))) + " " + shape_text(tensor.sizes());
}

// Empty when the stored tensor can be copied into `wanted`.
std::string mismatch(const SafetensorsFile& file, const NamedTensor& wanted) {
  const TensorInfo* info = file.find(wanted.name);
  if (info == nullptr) return wanted.name + " is missing";
  if (info->dtype == dtype_of(wanted.tensor.scalar_type()) &&
      at::IntArrayRef(info->shape) == wanted.tensor.sizes()) {
    return "";
  }
  return wanted.name + " is " + std::string(dtype_name(info->dtype)) + " " +
         shape_text(info->shape) + ", need " + expectation(wanted.tensor);
}

}  // namespace

void write_tensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors) {
  std::vector<TensorSpec> specs;
  std::map<std::string, at::Tensor> by_name;
  for (const NamedTensor& each : tensors) {
    specs.push_back({each.name, dtype_of(each.tensor.scalar_type()), each.tensor.sizes().vec()});
    by_name.emplace(each.name, each.tensor);
  }
  SafetensorsWriter writer(path, std::move(specs));
  for (const TensorInfo& info : writer.order()) {
    const at::Tensor data = by_name.at(info.name).detach().to(at::kCPU).contiguous();
    if (data.numel() == 0) continue;
    writer.write(info.name, {static_cast<const std::byte*>(data.const_data_ptr()), data.nbytes()});
  }
  writer.commit();
}

void read_tensors(const std::filesystem::path& path, const std::vector<NamedTensor>& into) {
  const SafetensorsFile file(path);
  std::vector<std::string> problems;
  for (const NamedTensor& each : into) {
    const std::string problem = mismatch(file, each);
    if (!problem.empty()) problems.push_back(problem);
  }
  if (!problems.empty()) {
    constexpr std::size_t kShown = 3;
    throw FileError(path.string(), join_some(problems, "; ", kShown),
                    "the file belongs to a run with another model, method or rank");
  }
  const at::NoGradGuard no_grad;
  for (const NamedTensor& each : into) {
    const std::span<const std::byte> bytes = file.data(*file.find(each.name));
    if (bytes.empty()) continue;
    at::Tensor staged = at::empty(each.tensor.sizes(), each.tensor.options().device(at::kCPU));
    std::memcpy(staged.mutable_data_ptr(), bytes.data(), bytes.size());
    each.tensor.copy_(staged);
    file.release(*file.find(each.name));
  }
}

}  // namespace svtune
