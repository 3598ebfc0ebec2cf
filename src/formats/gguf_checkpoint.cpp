// GgufCheckpoint; see gguf_checkpoint.h.
#include "formats/gguf_checkpoint.h"

#include <algorithm>

#include "base/errors.h"
#include "base/text_util.h"
#include "formats/gguf_config.h"
#include "formats/gguf_dequant.h"
#include "formats/safetensors_header.h"

namespace svtune {
namespace {

constexpr const char* kOtherVariant =
    "the model is of a variant that is not supported, or its conversion was not complete";

[[noreturn]] void throw_problems(const std::string& path, const std::vector<std::string>& problems,
                                 const std::string& hint) {
  throw FileError(path, join_some(problems, "; "), hint);
}

// With the file of a split model that holds it.
std::string tensor_text(const GgufFile& file, const GgufTensorInfo& info) {
  const std::string text = "tensor \"" + info.name + "\"";
  return file.part_count() == 1 ? text : text + " (" + file.path_of(info).filename().string() + ")";
}

// By rows: matrices and vectors, those of permuted heads in whole heads.
bool can_be_read(const GgufHfTensor& tensor) {
  return tensor.shape.size() <= 2 &&
         (tensor.head_size == 0 || tensor.rows() % tensor.head_size == 0);
}

}  // namespace

GgufCheckpoint::GgufCheckpoint(const std::filesystem::path& path)
    : file_(path), family_(gguf_family(file_)), config_(hf_config_from_gguf(file_)) {
  add_tensors();
}

void GgufCheckpoint::add_tensors() {
  std::vector<std::string> problems;
  bool types_known = true;
  for (const GgufTensorInfo& info : file_.tensors()) {
    const auto name = hf_tensor_name(family_, info.name);
    const GgufTypeTraits* traits = gguf_type_traits(info.type);
    const bool stacked = info.shape.size() == 3 && hf_expert_name(family_, info.name, 0);
    if (name && name->empty()) continue;
    if (!name && !stacked) {
      problems.push_back("unknown tensor \"" + info.name + "\"");
    } else if (!traits->supported) {
      types_known = false;
      problems.push_back(tensor_text(file_, info) + " has type " + std::string(traits->name) +
                         " (supported: " + gguf_supported_types() + ")");
    } else if (stacked) {
      if (!add_experts(info)) {
        problems.push_back(tensor_text(file_, info) + " has the impossible shape " +
                           shape_text(info.shape));
      }
    } else {
      GgufHfTensor tensor{*name, info.shape, &info};
      const bool is_qk = info.name.find(".attn_q.") != std::string::npos ||
                         info.name.find(".attn_k.") != std::string::npos;
      if (family_.permutes_qk && is_qk) {
        tensor.head_size = config_["head_dim"].get<std::int64_t>();
      }
      tensor.turned = family_.conv1d && info.shape.size() == 2 && info.name.starts_with("blk.");
      if (!can_be_read(tensor)) {
        problems.push_back(tensor_text(file_, info) + " has the impossible shape " +
                           shape_text(info.shape));
      }
      if (family_.norm_plus_one && name->ends_with("norm.weight")) tensor.offset = -1;
      tensors_.push_back(std::move(tensor));
    }
  }
  if (!problems.empty()) {
    throw_problems(file_.path().string(), std::move(problems),
                   types_known ? kOtherVariant
                               : "convert it again to another type, for example Q8_0 or Q4_K_M");
  }
  for (std::size_t i = 0; i < tensors_.size(); ++i) index_.emplace(tensors_[i].name, i);
}

bool GgufCheckpoint::add_experts(const GgufTensorInfo& info) {
  // Named after the family's own key.
  const Json count = config_.value("num_experts", config_.value("num_local_experts", Json(0)));
  if (Json(info.shape[0]) != count) return false;
  for (std::int64_t expert = 0; expert < info.shape[0]; ++expert) {
    GgufHfTensor tensor{
        *hf_expert_name(family_, info.name, expert), {info.shape[1], info.shape[2]}, &info};
    tensor.matrix = expert;
    tensors_.push_back(std::move(tensor));
  }
  return true;
}

void GgufCheckpoint::require(const TensorShapes& expected) const {
  std::vector<std::string> problems;
  for (const GgufHfTensor& tensor : tensors_) {
    const auto found = expected.find(tensor.name);
    if (found != expected.end() && found->second != tensor.shape) {
      problems.push_back(tensor_text(file_, *tensor.stored) + " has shape " +
                         shape_text(tensor.shape) + ", the metadata asks for " +
                         shape_text(found->second));
    }
    if (found == expected.end()) {
      problems.push_back(tensor_text(file_, *tensor.stored) + " does not belong to this model");
    }
  }
  for (const auto& [name, shape] : expected) {
    if (find(name) == nullptr) problems.push_back("tensor for \"" + name + "\" is missing");
  }
  if (!problems.empty()) {
    throw_problems(file_.path().string(), std::move(problems), kOtherVariant);
  }
}

const GgufHfTensor* GgufCheckpoint::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

std::span<const std::byte> GgufCheckpoint::bytes(const GgufHfTensor& tensor) const {
  const std::span<const std::byte> all = file_.data(*tensor.stored);
  if (tensor.stored->shape.size() < 3) return all;
  const std::size_t matrix_bytes = all.size() / static_cast<std::size_t>(tensor.stored->shape[0]);
  return all.subspan(static_cast<std::size_t>(tensor.matrix) * matrix_bytes, matrix_bytes);
}

void GgufCheckpoint::read_rows(const GgufHfTensor& tensor, std::int64_t first, std::int64_t count,
                               std::span<float> out) const {
  const std::int64_t row_size = tensor.row_size();
  if (first < 0 || count < 0 || first + count > tensor.rows() ||
      out.size() != static_cast<std::size_t>(count * row_size)) {
    throw Error("[GgufCheckpoint::read_rows] rows " + std::to_string(first) + " to " +
                std::to_string(first + count) + " of " + tensor.name +
                " do not exist or do not fit");
  }
  if (count == 0) return;
  const std::span<const std::byte> data = bytes(tensor);
  const std::uint32_t type = tensor.stored->type;
  if (tensor.shape.size() < 2) {
    // One "row" would cut through quantised blocks, so a vector is expanded whole.
    std::vector<float> whole(static_cast<std::size_t>(tensor.rows()));
    gguf_dequantize(type, data, whole);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t row =
          tensor.head_size > 0 ? stored_row(first + i, tensor.head_size) : first + i;
      out[static_cast<std::size_t>(i)] = whole[static_cast<std::size_t>(row)];
    }
  } else {
    const std::size_t row_bytes = data.size() / static_cast<std::size_t>(tensor.rows());
    const auto expand = [&](std::int64_t row, std::int64_t rows, std::int64_t to) {
      gguf_dequantize(type,
                      data.subspan(static_cast<std::size_t>(row) * row_bytes,
                                   static_cast<std::size_t>(rows) * row_bytes),
                      out.subspan(static_cast<std::size_t>(to * row_size),
                                  static_cast<std::size_t>(rows * row_size)));
    };
    if (tensor.head_size == 0) {
      expand(first, count, 0);
    } else {
      for (std::int64_t i = 0; i < count; ++i)
        expand(stored_row(first + i, tensor.head_size), 1, i);
    }
  }
  if (tensor.offset != 0) {
    for (float& value : out) value += tensor.offset;
  }
}

}  // namespace svtune
