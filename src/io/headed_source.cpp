#include "io/headed_source.h"

#include <map>
#include <set>
#include <utility>

#include "base/hash.h"
#include "io/stored_names.h"
#include "libtorch/prelude.h"
#include "models/families.h"

namespace svtune {
namespace {

class HeadSource final : public WeightSource {
 public:
  HeadSource(std::shared_ptr<const WeightSource> stored, std::map<std::string, at::Tensor> made)
      : stored_(std::move(stored)), made_(std::move(made)) {}

  std::optional<at::Tensor> read(const std::string& name, at::ScalarType dtype) const override {
    const auto found = made_.find(name);
    return found == made_.end() ? stored_->read(name, dtype) : found->second.to(dtype);
  }
  std::shared_ptr<const QuantizedMatrix> read_quantized(const std::string& name) const override {
    return made_.contains(name) ? nullptr : stored_->read_quantized(name);
  }
  std::optional<at::ScalarType> dtype(const std::string& name) const override {
    return made_.contains(name) ? std::nullopt : stored_->dtype(name);
  }
  std::optional<at::ScalarType> value_dtype(const std::string& name) const override {
    return made_.contains(name) ? std::nullopt : stored_->value_dtype(name);
  }
  std::filesystem::path place_of(const std::string& name) const override {
    return stored_->place_of(name);
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> list = stored_->names();
    const std::set<std::string> stored(list.begin(), list.end());
    for (const auto& [name, tensor] : made_) {
      if (!stored.contains(name)) list.push_back(name);
    }
    return list;
  }
  at::ScalarType stored_dtype() const override { return stored_->stored_dtype(); }
  std::uint64_t hash(const std::string& name) const override {
    const auto found = made_.find(name);
    if (found == made_.end()) return stored_->hash(name);
    const at::Tensor& tensor = found->second;
    return hash64({static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()});
  }
  void release(const std::string& name) const override { stored_->release(name); }

 private:
  std::shared_ptr<const WeightSource> stored_;
  std::map<std::string, at::Tensor> made_;  // fp32; they hide stored ones of their names
};

// The tensors of the head that `config` describes, with the names that others may be stored under.
struct DeclaredHead {
  std::map<std::string, std::vector<std::int64_t>> shapes;
  std::string output;  // the layer with a row for each label
  ArchSpec spec;
};

DeclaredHead declared_head(const Json& config, const std::string& source) {
  DeclaredHead head;
  const auto declare = [](const std::string&, const std::vector<std::int64_t>& shape) {
    return at::empty(shape, at::TensorOptions().dtype(at::kFloat).device(at::kMeta));
  };
  Network net(parse_arch(config, source), declare);
  for (const Linear* layer : net.head_linears()) {
    if (layer == &net.head() && net.head_is_tied()) continue;
    head.shapes[layer->name() + ".weight"] = {layer->out_features(), layer->in_features()};
  }
  for (const NamedParameter& each : net.head_parameters()) {
    head.shapes[each.name] = each.tensor->sizes().vec();
  }
  head.output = net.head().name();
  head.spec = net.spec();
  return head;
}

// The rows of a stored tensor of the output that has others than the head.
std::optional<std::int64_t> other_rows(const WeightSource& stored, const std::string& name,
                                       std::int64_t rows) {
  const auto tensor = stored.read(name, stored.dtype(name).value_or(at::kFloat));
  if (!tensor || tensor->dim() == 0 || tensor->size(0) == rows) return std::nullopt;
  return tensor->size(0);
}

at::Tensor made_tensor(const std::string& name, const std::vector<std::int64_t>& shape,
                       double deviation, std::uint64_t seed) {
  const bool bias = name.ends_with(".bias");
  if (shape.size() == 1) return at::full(shape, bias ? 0.0 : 1.0, at::kFloat);
  const at::Generator generator = at::detail::createCPUGenerator(derive_seed(seed, "head", name));
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat)).mul_(deviation);
}

}  // namespace

HeadedSource with_new_head(std::shared_ptr<const WeightSource> stored, const Json& config,
                           const NewHead& head, const std::string& source) {
  const DeclaredHead declared = declared_head(config, source);
  const StoredNames names(stored->names(), declared.spec);
  const auto range = config.find("initializer_range");
  const double deviation =
      range != config.end() && range->is_number() ? range->get<double>() : 0.02;
  HeadedSource result;
  result.output = declared.output;
  std::map<std::string, at::Tensor> made;
  for (const auto& [name, shape] : declared.shapes) {
    const std::string in_file = names.of(name);
    if (names.contains(in_file)) {
      const bool labels = declared.spec.task != HeadTask::kMasked;
      const bool output = labels && name.starts_with(declared.output + ".");
      const auto others = output ? other_rows(*stored, in_file, shape[0]) : std::nullopt;
      if (!others) continue;
      result.replaced = others;
    }
    made.emplace(in_file, made_tensor(name, shape, deviation, head.seed));
    result.made.push_back(name);
  }
  if (!made.empty()) stored = std::make_shared<HeadSource>(std::move(stored), std::move(made));
  result.weights = std::move(stored);
  return result;
}

}  // namespace svtune
