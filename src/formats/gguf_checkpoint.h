// A GGUF model seen as a Hugging Face checkpoint: the same tensor names, shapes and row order, but
// for matrices that directories hold as [in, out]; read as float32. The base for conversion and
// for loading a GGUF file directly.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "formats/gguf.h"
#include "formats/gguf_family.h"

namespace svtune {

// By checkpoint name: [out, in] or [size].
using TensorShapes = std::map<std::string, std::vector<std::int64_t>>;

struct GgufHfTensor {
  std::string name;                 // in the checkpoint
  std::vector<std::int64_t> shape;  // [out, in] or [size]
  const GgufTensorInfo* stored = nullptr;
  std::int64_t head_size = 0;  // not 0: rows are stored permuted within heads of this size
  float offset = 0;            // added to every value
  bool turned = false;         // model directories hold it as [in, out]
  std::int64_t matrix = 0;     // which one of `stored`, where that is a stack [matrices, out, in]

  std::int64_t rows() const { return shape.empty() ? 1 : shape[0]; }
  std::int64_t row_size() const { return shape.size() < 2 ? 1 : shape[1]; }
};

class GgufCheckpoint {
 public:
  // Throws FileError when the file or its metadata is wrong, or tensors are unknown or cannot be
  // expanded; all such tensors are listed.
  explicit GgufCheckpoint(const std::filesystem::path& path);

  // Throws FileError unless the file holds exactly these tensors, listing those that are missing,
  // superfluous or of another shape.
  void require(const TensorShapes& expected) const;

  const GgufFile& file() const noexcept { return file_; }
  // As hf_config_from_gguf gives it, for float32 weights.
  const Json& config() const noexcept { return config_; }
  // In file order.
  const std::vector<GgufHfTensor>& tensors() const noexcept { return tensors_; }
  const GgufHfTensor* find(std::string_view name) const;
  // Rows [first, first + count) of `tensor`, expanded. out.size() = count * row_size().
  void read_rows(const GgufHfTensor& tensor, std::int64_t first, std::int64_t count,
                 std::span<float> out) const;
  // As they are stored.
  std::span<const std::byte> bytes(const GgufHfTensor& tensor) const;

 private:
  void add_tensors();
  // Of a stack of experts' matrices each by itself. False where it has not as many as the metadata
  // say.
  bool add_experts(const GgufTensorInfo& info);

  GgufFile file_;
  const GgufFamily& family_;
  Json config_;
  std::vector<GgufHfTensor> tensors_;
  std::unordered_map<std::string_view, std::size_t> index_;
};

}  // namespace svtune
