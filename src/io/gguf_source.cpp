#include "io/gguf_source.h"

#include "base/hash.h"
#include "formats/gguf_checkpoint.h"
#include "io/declared_tensors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

class GgufSource final : public WeightSource {
 public:
  explicit GgufSource(const std::filesystem::path& path) : checkpoint_(path) {}

  const Json& config() const { return checkpoint_.config(); }
  void require(const TensorShapes& expected) const { checkpoint_.require(expected); }

  std::optional<at::Tensor> read(const std::string& name, at::ScalarType dtype) const override {
    const GgufHfTensor* tensor = checkpoint_.find(name);
    if (tensor == nullptr) return std::nullopt;
    at::Tensor out = at::empty(tensor->shape, at::TensorOptions().dtype(dtype));
    const at::Tensor rows = out.view({tensor->rows(), tensor->row_size()});
    const std::int64_t step = std::max<std::int64_t>(1, kTileElements / tensor->row_size());
    at::parallel_for(0, (tensor->rows() + step - 1) / step, 1,
                     [&](std::int64_t first, std::int64_t last) {
                       for (std::int64_t tile = first; tile < last; ++tile) {
                         read_tile(*tensor, tile * step, rows, step);
                       }
                     });
    checkpoint_.file().release(*tensor->stored);
    return out;
  }

  std::optional<at::ScalarType> value_dtype(const std::string& name) const override {
    const GgufHfTensor* tensor = checkpoint_.find(name);
    if (tensor == nullptr) return std::nullopt;
    switch (static_cast<GgufType>(tensor->stored->type)) {
      case GgufType::kF32:
        return at::kFloat;
      case GgufType::kF16:
        return at::kHalf;
      case GgufType::kBF16:
        return at::kBFloat16;
      default:
        return std::nullopt;
    }
  }

  std::filesystem::path place_of(const std::string& name) const override {
    const GgufHfTensor* tensor = checkpoint_.find(name);
    const GgufFile& file = checkpoint_.file();
    return tensor == nullptr ? file.path() : file.path_of(*tensor->stored);
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> list;
    for (const GgufHfTensor& tensor : checkpoint_.tensors()) list.push_back(tensor.name);
    return list;
  }

  at::ScalarType stored_dtype() const override {
    for (const GgufHfTensor& tensor : checkpoint_.tensors()) {
      if (tensor.shape.size() == 2 &&
          tensor.stored->type != static_cast<std::uint32_t>(GgufType::kBF16)) {
        return at::kFloat;
      }
    }
    return at::kBFloat16;
  }

  std::uint64_t hash(const std::string& name) const override {
    const GgufHfTensor* tensor = checkpoint_.find(name);
    if (tensor == nullptr) return 0;
    const std::uint64_t hash = hash64(checkpoint_.bytes(*tensor));
    checkpoint_.file().release(*tensor->stored);
    return hash;
  }

 private:
  static constexpr std::int64_t kTileElements = 1 << 16;

  void read_tile(const GgufHfTensor& tensor, std::int64_t begin, const at::Tensor& rows,
                 std::int64_t step) const {
    const std::int64_t count = std::min(step, tensor.rows() - begin);
    std::vector<float> values(static_cast<std::size_t>(count * tensor.row_size()));
    checkpoint_.read_rows(tensor, begin, count, values);
    rows.narrow(0, begin, count)
        .copy_(at::from_blob(values.data(), {count, tensor.row_size()},
                             at::TensorOptions().dtype(at::kFloat)));
  }

  GgufCheckpoint checkpoint_;
};

}  // namespace

void open_gguf(const std::filesystem::path& path, Json& config,
               std::shared_ptr<const WeightSource>& weights) {
  auto source = std::make_shared<GgufSource>(path);
  config = source->config();
  source->require(declared_tensors(config, path.string()));
  weights = std::move(source);
}

}  // namespace svtune
