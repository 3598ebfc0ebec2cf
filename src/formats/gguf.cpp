// GgufFile: typed access to the parsed header; see gguf.h.
#include "formats/gguf.h"

#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "base/errors.h"
#include "formats/gguf_split.h"

namespace svtune {
namespace {

template <typename T>
double number_at(std::span<const std::byte> raw, std::size_t i) {
  if ((i + 1) * sizeof(T) > raw.size()) return 0;
  T value;
  std::memcpy(&value, raw.data() + i * sizeof value, sizeof value);
  return static_cast<double>(value);
}

}  // namespace

std::string_view gguf_value_type_name(GgufValueType type) {
  constexpr std::array<std::string_view, 13> kNames = {"u8",  "i8",  "u16",  "i16",    "u32",
                                                       "i32", "f32", "bool", "string", "array",
                                                       "u64", "i64", "f64"};
  const auto i = static_cast<std::size_t>(type);
  return i < kNames.size() ? kNames[i] : "unknown";
}

double GgufArray::number(std::size_t i) const {
  switch (element) {
    case GgufValueType::kUint8:
    case GgufValueType::kBool:
      return number_at<std::uint8_t>(raw, i);
    case GgufValueType::kInt8:
      return number_at<std::int8_t>(raw, i);
    case GgufValueType::kUint16:
      return number_at<std::uint16_t>(raw, i);
    case GgufValueType::kInt16:
      return number_at<std::int16_t>(raw, i);
    case GgufValueType::kUint32:
      return number_at<std::uint32_t>(raw, i);
    case GgufValueType::kInt32:
      return number_at<std::int32_t>(raw, i);
    case GgufValueType::kFloat32:
      return number_at<float>(raw, i);
    case GgufValueType::kUint64:
      return number_at<std::uint64_t>(raw, i);
    case GgufValueType::kInt64:
      return number_at<std::int64_t>(raw, i);
    case GgufValueType::kFloat64:
      return number_at<double>(raw, i);
    default:
      return 0;
  }
}

GgufFile::GgufFile(const std::filesystem::path& path) {
  const auto open = [this](const std::filesystem::path& file) {
    parts_.push_back({file, MappedFile(file)});
    return parse_gguf_header(parts_.back().mapping.bytes(), file.string());
  };
  header_ = open(path);
  const GgufSplit split = gguf_split_of(header_, path.string());
  if (split.count > 1) {
    parts_.clear();
    std::vector<GgufHeader> headers;
    std::vector<std::string> names;
    for (const std::filesystem::path& part : gguf_part_paths(path, split)) {
      headers.push_back(open(part));
      names.push_back(part.string());
    }
    header_ = join_gguf_parts(std::move(headers), names);
  }
  for (std::size_t i = 0; i < header_.tensors.size(); ++i) {
    index_.emplace(header_.tensors[i].name, i);
  }
}

const GgufTensorInfo* GgufFile::find_tensor(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &header_.tensors[found->second];
}

std::span<const std::byte> GgufFile::data(const GgufTensorInfo& info) const {
  return parts_[info.part].mapping.bytes().subspan(info.offset, info.bytes);
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto found = header_.metadata.find(key);
  return found == header_.metadata.end() ? nullptr : &found->second;
}

void GgufFile::wrong_type(std::string_view key, const char* need) const {
  throw FileError(path().string(), "key \"" + std::string(key) + "\" is not " + need);
}

std::optional<std::int64_t> GgufFile::integer(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<std::int64_t>(value)) return *number;
  const auto* number = std::get_if<std::uint64_t>(value);
  if (number == nullptr || *number > std::uint64_t(std::numeric_limits<std::int64_t>::max())) {
    wrong_type(key, "an integer");
  }
  return static_cast<std::int64_t>(*number);
}

std::optional<double> GgufFile::number(std::string_view key) const {
  if (const auto* number = std::get_if<double>(find(key))) return *number;
  const std::optional<std::int64_t> whole = integer(key);
  if (!whole) return std::nullopt;
  return static_cast<double>(*whole);
}

std::optional<bool> GgufFile::boolean(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* flag = std::get_if<bool>(value);
  if (flag == nullptr) wrong_type(key, "a boolean");
  return *flag;
}

std::optional<std::string> GgufFile::string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* text = std::get_if<std::string_view>(value);
  if (text == nullptr) wrong_type(key, "a string");
  return std::string(*text);
}

const GgufArray* GgufFile::array(std::string_view key, bool of_strings) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return nullptr;
  const auto* array = std::get_if<GgufArray>(value);
  if (array == nullptr || array->element == GgufValueType::kArray ||
      (array->element == GgufValueType::kString) != of_strings) {
    wrong_type(key, of_strings ? "an array of strings" : "an array of numbers");
  }
  return array;
}

std::int64_t GgufFile::require_integer(std::string_view key) const {
  const auto value = integer(key);
  if (!value) throw FileError(path().string(), "key \"" + std::string(key) + "\" is missing");
  return *value;
}

std::string GgufFile::require_string(std::string_view key) const {
  const auto value = string(key);
  if (!value) throw FileError(path().string(), "key \"" + std::string(key) + "\" is missing");
  return *value;
}

}  // namespace svtune
