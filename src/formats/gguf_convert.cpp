// convert_gguf; see gguf_convert.h.
#include "formats/gguf_convert.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/json.h"
#include "formats/float_convert.h"
#include "formats/gguf_checkpoint.h"
#include "formats/gguf_config.h"
#include "formats/gguf_tokenizer.h"

namespace svtune {
namespace {

constexpr std::int64_t kChunkValues = 1 << 19;

void write_json(const std::filesystem::path& path, const Json& json) {
  JsonStyle style;
  style.indent = 2;
  style.sort_keys = true;
  style.final_newline = true;
  write_file_atomic(path, dump_json(json, style));
}

// The type that holds what is stored as `type`; 16 bits are enough of what is quantised.
DType dtype_of_stored(std::uint32_t type) {
  switch (static_cast<GgufType>(type)) {
    case GgufType::kF32:
      return DType::kF32;
    case GgufType::kF16:
      return DType::kF16;
    default:
      return DType::kBF16;
  }
}

// By numbers, not by tensors.
DType dtype_of_most_matrices(const GgufCheckpoint& model) {
  std::map<DType, std::int64_t> counts;
  for (const GgufHfTensor& tensor : model.tensors()) {
    if (tensor.shape.size() < 2) continue;
    counts[dtype_of_stored(tensor.stored->type)] += tensor.rows() * tensor.row_size();
  }
  const auto most =
      std::ranges::max_element(counts, {}, [](const auto& each) { return each.second; });
  return most == counts.end() ? DType::kBF16 : most->first;
}

class WeightWriter {
 public:
  WeightWriter(const GgufCheckpoint& model, const std::filesystem::path& directory,
               const GgufConvertOptions& options, DType dtype)
      : model_(model),
        options_(options),
        dtype_(dtype),
        writer_(directory, specs(), options.max_shard_bytes) {
    report_.dtype = dtype;
    for (const GgufHfTensor& tensor : model.tensors()) {
      report_.parameters += static_cast<std::uint64_t>(tensor.rows() * tensor.row_size());
    }
    report_.tensors = model.tensors().size();
    report_.bytes = report_.parameters * element_bytes();
  }

  GgufConvertReport run() {
    for (const TensorSpec& spec : writer_.order()) write(*model_.find(spec.name));
    writer_.commit();
    return report_;
  }

 private:
  std::uint64_t element_bytes() const { return static_cast<std::uint64_t>(dtype_bits(dtype_)) / 8; }

  std::vector<TensorSpec> specs() const {
    std::vector<TensorSpec> specs;
    for (const GgufHfTensor& tensor : model_.tensors()) {
      specs.push_back({tensor.name, dtype_, tensor.shape});
      if (tensor.turned) std::ranges::reverse(specs.back().shape);
    }
    return specs;
  }

  // Whether `bytes_` hold other numbers than `values_`.
  bool values_changed() {
    if (dtype_ == DType::kF32) return false;
    written_.resize(values_.size());
    convert_to_f32(dtype_, bytes_, written_);
    return written_ != values_;
  }

  void read_whole(const GgufHfTensor& tensor) {
    matrix_.resize(static_cast<std::size_t>(tensor.rows() * tensor.row_size()));
    model_.read_rows(tensor, 0, tensor.rows(), matrix_);
  }

  // Of the matrix that was read whole, from column `first` as many as `values_` holds.
  void copy_columns(const GgufHfTensor& tensor, std::int64_t first) {
    const auto rows = static_cast<std::size_t>(tensor.rows());
    const auto row_size = static_cast<std::size_t>(tensor.row_size());
    for (std::size_t i = 0; i < values_.size(); ++i) {
      values_[i] = matrix_[i % rows * row_size + static_cast<std::size_t>(first) + i / rows];
    }
  }

  void write(const GgufHfTensor& tensor) {
    const std::int64_t rows = tensor.turned ? tensor.row_size() : tensor.rows();
    const std::int64_t row_size = tensor.turned ? tensor.rows() : tensor.row_size();
    // A vector is expanded whole by read_rows, so it is asked for in one piece.
    const std::int64_t step =
        tensor.shape.size() < 2 ? rows : std::max<std::int64_t>(1, kChunkValues / row_size);
    if (tensor.turned) read_whole(tensor);
    bool rounded = false;
    for (std::int64_t row = 0; row < rows; row += step) {
      const std::int64_t count = std::min(step, rows - row);
      values_.resize(static_cast<std::size_t>(count * row_size));
      bytes_.resize(values_.size() * element_bytes());
      if (tensor.turned) {
        copy_columns(tensor, row);
      } else {
        model_.read_rows(tensor, row, count, values_);
      }
      convert_from_f32(dtype_, values_, bytes_);
      rounded = rounded || values_changed();
      writer_.write(tensor.name, bytes_);
      done_ += bytes_.size();
      if (options_.progress) options_.progress(done_, report_.bytes);
    }
    if (rounded) ++report_.rounded;
    model_.file().release(*tensor.stored);
  }

  const GgufCheckpoint& model_;
  const GgufConvertOptions& options_;
  DType dtype_;
  CheckpointWriter writer_;
  GgufConvertReport report_;
  std::uint64_t done_ = 0;
  std::vector<float> values_, written_;
  std::vector<float> matrix_;  // [out, in], where the directory holds it as [in, out]
  std::vector<std::byte> bytes_;
};

}  // namespace

void write_companion_files(const GgufFile& file, const std::filesystem::path& directory) {
  write_json(directory / "generation_config.json", generation_config_from_gguf(file));
  write_tokenizer_files(file, directory);
}

GgufConvertReport convert_gguf(const std::filesystem::path& gguf,
                               const std::filesystem::path& directory,
                               const GgufConvertOptions& options) {
  if (options.dtype && *options.dtype != DType::kF32 && *options.dtype != DType::kBF16 &&
      *options.dtype != DType::kF16) {
    throw UsageError("cannot convert to " + std::string(dtype_name(*options.dtype)) +
                     ", need F32, BF16 or F16");
  }
  const GgufCheckpoint model(gguf);
  const DType dtype = options.dtype ? *options.dtype : dtype_of_most_matrices(model);
  if (options.expected) model.require(options.expected(model.config()));
  AtomicDirectory output(directory);
  write_json(output.staging() / "config.json", hf_config_from_gguf(model.file(), dtype));
  write_companion_files(model.file(), output.staging());
  const GgufConvertReport report = WeightWriter(model, output.staging(), options, dtype).run();
  output.commit();
  return report;
}

}  // namespace svtune
