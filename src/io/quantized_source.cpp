#include "io/quantized_source.h"

#include <map>
#include <set>
#include <utility>

#include "base/errors.h"
#include "base/hash.h"
#include "io/safetensors_source.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr char kStatePrefix[] = ".quant_state.bitsandbytes__";
constexpr std::int64_t kNestedBlock = 256;

constexpr struct {
  const char* name;
  at::ScalarType type;
} kDtypeNames[] = {{"bfloat16", at::kBFloat16}, {"float16", at::kHalf}, {"float32", at::kFloat}};

std::string dtype_name_of(at::ScalarType type) {
  for (const auto& each : kDtypeNames) {
    if (each.type == type) return each.name;
  }
  return "float32";
}

std::string type_name_of(QuantType type) { return type == QuantType::kFp4 ? "fp4" : "nf4"; }

at::ScalarType dtype_from(const std::string& name, const std::string& tensor) {
  for (const auto& each : kDtypeNames) {
    if (name == each.name) return each.type;
  }
  throw ModelError("tensor " + tensor + ": its quant_state names the dtype \"" + name +
                   "\", allowed are bfloat16, float16, float32");
}

std::string layer_of(const std::string& weight) {
  return weight.substr(0, weight.size() - std::string_view(".weight").size());
}

// Reads the parts of one weight out of the files.
class PartReader {
 public:
  PartReader(const SafetensorsSource& files, std::string name)
      : files_(files), name_(std::move(name)) {}

  bool holds(const std::string& part) const { return files_.dtype(part).has_value(); }

  at::Tensor part(const std::string& part) const {
    const auto dtype = files_.dtype(part);
    if (!dtype) throw ModelError("tensor " + part + " is missing, " + name_ + " needs it");
    return files_.read(part, *dtype)->contiguous();
  }

  QuantStorage four_bit(QuantType type) const {
    const Json state = state_of(type);
    QuantStorage s;
    s.type = type;
    const auto& shape = state.at("shape");
    s.out_features = shape.at(0).get<std::int64_t>();
    s.in_features = shape.at(1).get<std::int64_t>();
    s.block_size = state.at("blocksize").get<std::int64_t>();
    s.original_dtype = dtype_from(state.at("dtype").get<std::string>(), name_);
    // Some files show the packed bytes as another type.
    s.codes = part(name_).view({-1}).view(at::kByte);
    s.map = part(name_ + ".quant_map").view({-1});
    const at::Tensor absmax = part(name_ + ".absmax").view({-1});
    if (!state.contains("nested_blocksize")) {
      s.absmax = absmax.to(at::kFloat);
      return s;
    }
    if (state.at("nested_blocksize").get<std::int64_t>() != kNestedBlock) {
      throw ModelError("tensor " + name_ + ": nested_blocksize must be 256, got " +
                       state.at("nested_blocksize").dump());
    }
    s.absmax_codes = absmax;
    s.nested_absmax = part(name_ + ".nested_absmax").view({-1}).to(at::kFloat);
    s.nested_map = part(name_ + ".nested_quant_map").view({-1});
    s.nested_offset = state.at("nested_offset").get<double>();
    return s;
  }

  QuantStorage int8() const {
    QuantStorage s;
    s.type = QuantType::kInt8;
    s.codes = part(name_);
    if (s.codes.dim() != 2) throw ModelError("tensor " + name_ + " must be a matrix [out, in]");
    s.out_features = s.codes.size(0);
    s.in_features = s.codes.size(1);
    s.absmax = part(layer_of(name_) + ".SCB").view({-1}).to(at::kFloat);
    const std::string format = layer_of(name_) + ".weight_format";
    if (holds(format) && part(format).to(at::kLong).any().item<bool>()) {
      throw ModelError("tensor " + format + ": only row-major int8 weights can be read");
    }
    return s;
  }

 private:
  Json state_of(QuantType type) const {
    const std::string key = name_ + kStatePrefix + type_name_of(type);
    const at::Tensor bytes = part(key).to(at::kByte);
    const auto* data = reinterpret_cast<const char*>(bytes.const_data_ptr<std::uint8_t>());
    Json state = parse_json(std::string(data, static_cast<std::size_t>(bytes.numel())), key);
    for (const char* needed : {"shape", "blocksize", "dtype"}) {
      if (!state.is_object() || !state.contains(needed) || state.at(needed).is_null()) {
        throw ModelError("tensor " + key + ": \"" + needed + "\" is missing");
      }
    }
    if (!state.at("shape").is_array() || state.at("shape").size() != 2) {
      throw ModelError("tensor " + key + ": the shape must be that of a matrix [out, in]");
    }
    return state;
  }

  const SafetensorsSource& files_;
  std::string name_;
};

class QuantizedSource final : public WeightSource {
 public:
  explicit QuantizedSource(std::shared_ptr<const SafetensorsSource> files)
      : files_(std::move(files)) {
    for (const std::string& name : files_->names()) find_parts(name);
  }

  std::optional<at::Tensor> read(const std::string& name, at::ScalarType dtype) const override {
    if (const auto matrix = read_quantized(name)) return matrix->dequantize(dtype);
    return parts_.contains(name) ? std::nullopt : files_->read(name, dtype);
  }

  std::optional<at::ScalarType> dtype(const std::string& name) const override {
    return weights_.contains(name) || parts_.contains(name) ? std::nullopt : files_->dtype(name);
  }

  std::filesystem::path place_of(const std::string& name) const override {
    return files_->place_of(name);
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> list;
    for (const std::string& name : files_->names()) {
      if (!parts_.contains(name)) list.push_back(name);
    }
    return list;
  }

  at::ScalarType stored_dtype() const override {
    for (const auto& [name, type] : weights_) {
      if (type != QuantType::kInt8) return read_quantized(name)->storage().original_dtype;
    }
    for (const std::string& name : names()) {
      const auto dtype = files_->dtype(name);
      if (!weights_.contains(name) && dtype && at::isFloatingType(*dtype)) return *dtype;
    }
    return at::kFloat;
  }

  std::uint64_t hash(const std::string& name) const override {
    if (!weights_.contains(name)) return files_->hash(name);
    Hasher64 hasher;
    for (const std::string& file_name : files_->names()) {
      const bool own = file_name == name || file_name.starts_with(name + ".") ||
                       file_name == layer_of(name) + ".SCB";
      if (own) hasher.update(hex64(files_->hash(file_name)));
    }
    return hasher.digest();
  }

  std::shared_ptr<const QuantizedMatrix> read_quantized(const std::string& name) const override {
    const auto found = weights_.find(name);
    if (found == weights_.end()) return nullptr;
    const PartReader reader(*files_, name);
    try {
      return std::make_shared<QuantizedMatrix>(
          found->second == QuantType::kInt8 ? reader.int8() : reader.four_bit(found->second));
    } catch (const ModelError& error) {
      throw FileError(place_of(name).string(), name + ": " + error.what());
    } catch (const Json::exception& error) {
      throw FileError(place_of(name).string(), name + ": malformed quant_state: " + error.what());
    }
  }

 private:
  void find_parts(const std::string& name) {
    for (const QuantType type : {QuantType::kNf4, QuantType::kFp4}) {
      const std::string ending = kStatePrefix + type_name_of(type);
      if (!name.ends_with(ending)) continue;
      const std::string weight = name.substr(0, name.size() - ending.size());
      weights_[weight] = type;
      for (const char* part : {".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"}) {
        parts_.insert(weight + part);
      }
      parts_.insert(name);
    }
    if (!name.ends_with(".SCB")) return;
    const std::string layer = name.substr(0, name.size() - 4);
    weights_[layer + ".weight"] = QuantType::kInt8;
    parts_.insert(name);
    parts_.insert(layer + ".weight_format");
  }

  std::shared_ptr<const SafetensorsSource> files_;
  std::map<std::string, QuantType> weights_;
  std::set<std::string> parts_;  // tensors that belong to a quantised weight
};

at::Tensor bytes_tensor(const std::string& text) {
  at::Tensor bytes =
      at::empty({static_cast<std::int64_t>(text.size())}, at::TensorOptions().dtype(at::kByte));
  std::copy(text.begin(), text.end(), bytes.mutable_data_ptr<std::uint8_t>());
  return bytes;
}

std::string state_text(const QuantStorage& s) {
  Json state = Json::object();
  state["quant_type"] = type_name_of(s.type);
  state["blocksize"] = s.block_size;
  state["dtype"] = dtype_name_of(s.original_dtype);
  state["shape"] = {s.out_features, s.in_features};
  if (s.nested()) {
    state["nested_blocksize"] = kNestedBlock;
    state["nested_dtype"] = "float32";
    state["nested_offset"] = s.nested_offset;
  }
  return dump_json(state, {});
}

}  // namespace

std::shared_ptr<const WeightSource> open_quantized(std::shared_ptr<const SafetensorsSource> files,
                                                   const Json& config, const std::string& source) {
  const std::string method = config.is_object() ? config.value("quant_method", "") : "";
  if (method != "bitsandbytes") {
    throw FileError(source,
                    "\"quantization_config\" is of the kind \"" + method +
                        "\", which is not supported (bitsandbytes is)",
                    "Give the unquantised model.");
  }
  return std::make_shared<QuantizedSource>(std::move(files));
}

std::vector<NamedTensor> quantized_tensors(const std::string& name, const QuantizedMatrix& matrix) {
  const QuantStorage& s = matrix.storage();
  if (s.type == QuantType::kInt8) {
    return {
        {name, s.codes},
        {layer_of(name) + ".SCB", s.absmax},
        {layer_of(name) + ".weight_format", at::zeros({}, at::TensorOptions().dtype(at::kByte))}};
  }
  std::vector<NamedTensor> list{{name, s.codes.view({-1, 1})}, {name + ".quant_map", s.map}};
  if (s.nested()) {
    list.push_back({name + ".absmax", s.absmax_codes});
    list.push_back({name + ".nested_absmax", s.nested_absmax});
    list.push_back({name + ".nested_quant_map", s.nested_map});
  } else {
    list.push_back({name + ".absmax", s.absmax});
  }
  list.push_back({name + kStatePrefix + type_name_of(s.type), bytes_tensor(state_text(s))});
  return list;
}

Json quantization_config(const QuantizedMatrix& matrix, at::ScalarType compute,
                         const std::vector<std::string>& dense) {
  const QuantStorage& s = matrix.storage();
  const bool four_bit = s.type != QuantType::kInt8;
  Json config = Json::object();
  config["quant_method"] = "bitsandbytes";
  config["load_in_4bit"] = four_bit;
  config["load_in_8bit"] = !four_bit;
  config["bnb_4bit_quant_type"] = type_name_of(s.type);
  config["bnb_4bit_use_double_quant"] = s.nested();
  config["bnb_4bit_compute_dtype"] = dtype_name_of(compute);
  config["bnb_4bit_quant_storage"] = "uint8";
  config["llm_int8_enable_fp32_cpu_offload"] = false;
  config["llm_int8_has_fp16_weight"] = false;
  config["llm_int8_skip_modules"] = dense;
  config["llm_int8_threshold"] = 6.0;
  return config;
}

}  // namespace svtune
