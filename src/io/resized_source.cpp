#include "io/resized_source.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

class ResizedSource final : public WeightSource {
 public:
  ResizedSource(std::shared_ptr<const WeightSource> stored, const DeclaredWords& words,
                std::int64_t count)
      : stored_(std::move(stored)), from_(words.count), to_(count) {
    for (const std::string& module : {words.embedding, words.head}) {
      if (module == words.head && !words.head_has_words) continue;
      const std::string name = module + ".weight";
      names_.insert(name);
      if (name.starts_with(words.base_prefix)) names_.insert(name.substr(words.base_prefix.size()));
    }
    if (!words.head_has_words) return;
    const std::string bias = words.head + ".bias";
    names_.insert(bias);
    for (const OldName& old : words.old_names) {
      if (bias == old.now) names_.insert(old.before);
    }
  }

  std::optional<at::Tensor> read(const std::string& name, at::ScalarType dtype) const override {
    std::optional<at::Tensor> tensor = stored_->read(name, dtype);
    // One of another shape than the configuration says is for the loader to report.
    const bool fits = tensor && tensor->dim() > 0 && tensor->size(0) == from_;
    if (!fits || !holds_words(name)) return tensor;
    if (to_ <= from_) return tensor->narrow(0, 0, to_);
    std::vector<std::int64_t> added = tensor->sizes().vec();
    added[0] = to_ - from_;
    return at::cat({*tensor, mean_row(name).to(dtype).unsqueeze(0).expand(added)}, 0);
  }
  std::shared_ptr<const QuantizedMatrix> read_quantized(const std::string& name) const override {
    return holds_words(name) ? nullptr : stored_->read_quantized(name);
  }
  std::optional<at::ScalarType> value_dtype(const std::string& name) const override {
    return stored_->value_dtype(name);
  }
  std::filesystem::path place_of(const std::string& name) const override {
    return stored_->place_of(name);
  }
  std::vector<std::string> names() const override { return stored_->names(); }
  at::ScalarType stored_dtype() const override { return stored_->stored_dtype(); }
  std::uint64_t hash(const std::string& name) const override {
    const std::uint64_t own = stored_->hash(name);
    return holds_words(name) ? derive_seed(own, "words", std::to_string(to_)) : own;
  }
  void release(const std::string& name) const override { stored_->release(name); }

 private:
  bool holds_words(const std::string& name) const { return names_.contains(name); }

  // Of a matrix, or of a head's bias. As a file of the stored dtype would hold it, whatever it is
  // read as.
  at::Tensor mean_row(const std::string& name) const {
    constexpr std::int64_t kPiece = 4096;  // rows; no fp64 copy of the whole matrix
    const at::Tensor rows = *stored_->read(name, stored_->stored_dtype());
    at::Tensor sum = at::zeros(rows.sizes().slice(1), rows.options().dtype(at::kDouble));
    for (std::int64_t begin = 0; begin < rows.size(0); begin += kPiece) {
      const std::int64_t count = std::min(kPiece, rows.size(0) - begin);
      sum += rows.narrow(0, begin, count).to(at::kDouble).sum(0);
    }
    return (sum / static_cast<double>(rows.size(0))).to(rows.scalar_type());
  }

  std::shared_ptr<const WeightSource> stored_;
  std::int64_t from_, to_;
  std::set<std::string> names_;
};

}  // namespace

std::shared_ptr<const WeightSource> resized_words(std::shared_ptr<const WeightSource> stored,
                                                  const DeclaredWords& words, std::int64_t count) {
  return std::make_shared<ResizedSource>(std::move(stored), words, count);
}

}  // namespace svtune
