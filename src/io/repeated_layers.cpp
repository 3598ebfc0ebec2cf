#include "io/repeated_layers.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr char kCount[] = "num_hidden_layers", kKinds[] = "layer_types";

// The first part of a name that is a number, which counts blocks in every family.
struct BlockNumber {
  std::size_t begin = 0, length = 0;
  std::int64_t value = -1;  // below 0: the name has none
};

BlockNumber block_of(const std::string& name) {
  for (std::size_t begin = 0; begin < name.size();) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    std::int64_t value = 0;
    const auto read = std::from_chars(name.data() + begin, name.data() + end, value);
    if (read.ec == std::errc() && read.ptr == name.data() + end) {
      return {begin, end - begin, value};
    }
    begin = end + 1;
  }
  return {};
}

std::string with_block(std::string name, const BlockNumber& number, std::int64_t block) {
  return name.replace(number.begin, number.length, std::to_string(block));
}

class RepeatedSource final : public WeightSource {
 public:
  RepeatedSource(std::shared_ptr<const WeightSource> stored, std::vector<std::int64_t> blocks)
      : stored_(std::move(stored)), blocks_(std::move(blocks)) {}

  std::optional<at::Tensor> read(const std::string& name, at::ScalarType dtype) const override {
    return stored_->read(stored_name(name), dtype);
  }
  std::shared_ptr<const QuantizedMatrix> read_quantized(const std::string& name) const override {
    return stored_->read_quantized(stored_name(name));
  }
  std::optional<at::ScalarType> dtype(const std::string& name) const override {
    return stored_->dtype(stored_name(name));
  }
  std::optional<at::ScalarType> value_dtype(const std::string& name) const override {
    return stored_->value_dtype(stored_name(name));
  }
  std::filesystem::path place_of(const std::string& name) const override {
    return stored_->place_of(stored_name(name));
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const std::string& name : stored_->names()) {
      const BlockNumber number = block_of(name);
      if (number.value < 0) names.push_back(name);
      for (std::size_t i = 0; i < blocks_.size(); ++i) {
        if (blocks_[i] != number.value) continue;
        names.push_back(with_block(name, number, static_cast<std::int64_t>(i)));
      }
    }
    return names;
  }
  at::ScalarType stored_dtype() const override { return stored_->stored_dtype(); }
  std::uint64_t hash(const std::string& name) const override {
    return stored_->hash(stored_name(name));
  }
  void release(const std::string& name) const override { stored_->release(stored_name(name)); }

 private:
  std::string stored_name(const std::string& name) const {
    const BlockNumber number = block_of(name);
    const bool counted =
        number.value >= 0 && number.value < static_cast<std::int64_t>(blocks_.size());
    return counted ? with_block(name, number, blocks_[static_cast<std::size_t>(number.value)])
                   : name;
  }

  std::shared_ptr<const WeightSource> stored_;
  std::vector<std::int64_t> blocks_;  // of the checkpoint, by block of the model
};

std::vector<std::int64_t> blocks_in(const LayerRanges& ranges, std::int64_t stored,
                                    const std::string& source) {
  std::vector<std::int64_t> blocks;
  for (const auto& [begin, end] : ranges) {
    if (begin < 0 || end <= begin || end > stored) {
      throw FileError(source, "layer_replication has the range [" + std::to_string(begin) + ", " +
                                  std::to_string(end) + "), the model has layers 0 to " +
                                  std::to_string(stored - 1));
    }
    for (std::int64_t i = begin; i < end; ++i) blocks.push_back(i);
  }
  return blocks;
}

}  // namespace

void repeat_layers(Model& model, const LayerRanges& ranges) {
  const std::string source = (model.path / "config.json").string();
  const auto count = model.config.find(kCount);
  if (count == model.config.end() || !count->is_number_integer()) {
    throw FileError(
        source, std::string("layer_replication needs a model that counts its layers as ") + kCount);
  }
  std::vector<std::int64_t> blocks = blocks_in(ranges, count->get<std::int64_t>(), source);
  const auto kinds = model.config.find(kKinds);
  if (kinds != model.config.end() && kinds->is_array() && *count == Json(kinds->size())) {
    Json list = Json::array();
    for (const std::int64_t block : blocks) {
      list.push_back((*kinds)[static_cast<std::size_t>(block)]);
    }
    model.config[kKinds] = std::move(list);
  }
  model.config[kCount] = blocks.size();
  model.weights = std::make_shared<RepeatedSource>(std::move(model.weights), std::move(blocks));
  model.layer_replication = ranges;
}

void require_repeatable(const ArchSpec& spec, const std::string& source) {
  if (!spec.numbered_layers) return;
  throw FileError(source,
                  "layer_replication does not go with layers that differ by their number, as in " +
                      spec.family + ": without layer_types a repeated one would be another");
}

}  // namespace svtune
