// The GGUF header parser: a cursor that refuses to pass the end, and sizes that are compared
// with what is left of the file before anything is allocated.
#include "formats/gguf_header.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <unordered_set>

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {
namespace {

constexpr int kMaxArrayDepth = 4;
constexpr std::uint32_t kMaxRank = 4;
constexpr std::uint64_t kMaxKeyBytes = 65535;
constexpr std::uint64_t kMaxNameBytes = 1024;
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint64_t kMaxAlignment = 1U << 20;
// Smallest encodings: they bound the counts that a file of some size can hold.
constexpr std::uint64_t kMinStringBytes = 8;
constexpr std::uint64_t kMinArrayBytes = 12;
constexpr std::uint64_t kMinKeyValueBytes = 13;
constexpr std::uint64_t kMinTensorInfoBytes = 24;

// Bytes of a fixed-size value; 0 for strings, arrays and unknown types.
std::uint64_t fixed_size(std::uint32_t type) {
  constexpr std::array<std::uint64_t, 13> kSizes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return type < kSizes.size() ? kSizes[type] : 0;
}

class Parser {
 public:
  Parser(std::span<const std::byte> file, const std::string& source)
      : file_(file), source_(source) {}

  GgufHeader parse() {
    GgufHeader header;
    header.version = read_magic_and_version();
    place_ = "tensor count";
    const auto tensor_count = read<std::uint64_t>();
    place_ = "metadata count";
    const auto key_count = read<std::uint64_t>();
    limit_count(key_count, kMinKeyValueBytes);
    for (std::uint64_t i = 0; i < key_count; ++i) read_key_value(header);
    place_ = "tensor count";
    limit_count(tensor_count, kMinTensorInfoBytes);
    std::unordered_set<std::string> names;
    for (std::uint64_t i = 0; i < tensor_count; ++i) {
      header.tensors.push_back(read_tensor_info(i));
      if (!names.insert(header.tensors.back().name).second) fail("occurs twice");
    }
    place_tensors(header);
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw FileError(source_, place_ + " (byte " + std::to_string(pos_) + "): " + what,
                    "the file is damaged, truncated or not a GGUF model");
  }
  // For what a sound file may hold.
  [[noreturn]] void fail_unsupported(const std::string& what) const {
    throw FileError(source_, place_ + " (byte " + std::to_string(pos_) + "): " + what,
                    "convert the model again, with other tools or to another type");
  }

  std::uint64_t left() const { return file_.size() - pos_; }

  void limit_count(std::uint64_t count, std::uint64_t min_bytes) const {
    if (count > left() / min_bytes) {
      fail(std::to_string(count) + " entries cannot fit into the remaining " +
           std::to_string(left()) + " bytes");
    }
  }

  template <typename T>
  T read() {
    if (left() < sizeof(T)) fail("the file ends here");
    T value;
    std::memcpy(&value, file_.data() + pos_, sizeof value);
    pos_ += sizeof value;
    return value;
  }

  std::string_view read_string(std::uint64_t max_bytes) {
    const auto size = read<std::uint64_t>();
    if (size > left()) {
      fail("string of " + std::to_string(size) + " bytes, only " + std::to_string(left()) +
           " are left");
    }
    if (size > max_bytes) fail("name of " + std::to_string(size) + " bytes is too long");
    const std::string_view text(reinterpret_cast<const char*>(file_.data()) + pos_, size);
    pos_ += size;
    return text;
  }

  std::string read_name(std::uint64_t max_bytes) {
    const std::string_view name = read_string(max_bytes);
    const bool control = std::any_of(name.begin(), name.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    });
    if (name.empty() || control || !is_valid_utf8(name)) {
      fail("name is empty, not UTF-8 or has control characters");
    }
    return std::string(name);
  }

  std::uint32_t read_magic_and_version() {
    place_ = "magic";
    if (file_.size() < 4 || std::memcmp(file_.data(), "GGUF", 4) != 0) fail("is not \"GGUF\"");
    pos_ = 4;
    place_ = "version";
    const auto version = read<std::uint32_t>();
    if ((version & 0xFFFFU) == 0)
      fail_unsupported("the file is big-endian, only little-endian is read");
    if (version != 2 && version != 3) {
      fail_unsupported("is " + std::to_string(version) + ", only 2 and 3 are read");
    }
    return version;
  }

  void read_key_value(GgufHeader& header) {
    place_ = "metadata key";
    const std::string key = read_name(kMaxKeyBytes);
    place_ = "key \"" + key + "\"";
    const auto type = read<std::uint32_t>();
    if (!header.metadata.emplace(key, read_value(type)).second) fail("occurs twice");
  }

  GgufValue read_value(std::uint32_t type) {
    switch (static_cast<GgufValueType>(type)) {
      case GgufValueType::kUint8:
        return std::uint64_t{read<std::uint8_t>()};
      case GgufValueType::kInt8:
        return std::int64_t{read<std::int8_t>()};
      case GgufValueType::kUint16:
        return std::uint64_t{read<std::uint16_t>()};
      case GgufValueType::kInt16:
        return std::int64_t{read<std::int16_t>()};
      case GgufValueType::kUint32:
        return std::uint64_t{read<std::uint32_t>()};
      case GgufValueType::kInt32:
        return std::int64_t{read<std::int32_t>()};
      case GgufValueType::kFloat32:
        return double{read<float>()};
      case GgufValueType::kBool:
        return read_bool();
      case GgufValueType::kString:
        return read_string(left());
      case GgufValueType::kArray:
        return read_array(1);
      case GgufValueType::kUint64:
        return read<std::uint64_t>();
      case GgufValueType::kInt64:
        return read<std::int64_t>();
      case GgufValueType::kFloat64:
        return read<double>();
    }
    fail("unknown value type " + std::to_string(type));
  }

  bool read_bool() {
    const auto byte = read<std::uint8_t>();
    if (byte > 1) fail("boolean with the value " + std::to_string(byte));
    return byte == 1;
  }

  GgufArray read_array(int depth) {
    if (depth > kMaxArrayDepth) fail("arrays nested deeper than 4");
    GgufArray array;
    const auto type = read<std::uint32_t>();
    array.element = static_cast<GgufValueType>(type);
    array.size = read<std::uint64_t>();
    if (array.element == GgufValueType::kString) {
      limit_count(array.size, kMinStringBytes);
      array.strings.reserve(array.size);
      for (std::uint64_t i = 0; i < array.size; ++i) array.strings.push_back(read_string(left()));
    } else if (array.element == GgufValueType::kArray) {
      limit_count(array.size, kMinArrayBytes);
      for (std::uint64_t i = 0; i < array.size; ++i) array.arrays.push_back(read_array(depth + 1));
    } else {
      const std::uint64_t size = fixed_size(type);
      if (size == 0) fail("unknown array element type " + std::to_string(type));
      limit_count(array.size, size);
      array.raw = file_.subspan(pos_, array.size * size);
      pos_ += array.raw.size();
    }
    return array;
  }

  GgufTensorInfo read_tensor_info(std::uint64_t number) {
    place_ = "tensor " + std::to_string(number);
    GgufTensorInfo info;
    info.name = read_name(kMaxNameBytes);
    place_ = "tensor \"" + info.name + "\"";
    const auto rank = read<std::uint32_t>();
    if (rank == 0 || rank > kMaxRank) fail("rank " + std::to_string(rank) + ", need 1 to 4");
    std::uint64_t count = 1;
    for (std::uint32_t i = 0; i < rank; ++i) {
      const auto dim = read<std::uint64_t>();
      if (dim > std::uint64_t(INT64_MAX) || __builtin_mul_overflow(count, dim, &count)) {
        fail("dimensions overflow");
      }
      info.shape.insert(info.shape.begin(), static_cast<std::int64_t>(dim));
    }
    info.type = read<std::uint32_t>();
    const GgufTypeTraits* traits = gguf_type_traits(info.type);
    if (traits == nullptr) fail_unsupported("unknown tensor type " + std::to_string(info.type));
    if (info.shape.back() % traits->block_elements != 0) {
      fail("row of " + std::to_string(info.shape.back()) + " elements, but " +
           std::string(traits->name) + " needs a multiple of " +
           std::to_string(traits->block_elements));
    }
    const std::uint64_t blocks = count / traits->block_elements;
    if (__builtin_mul_overflow(blocks, std::uint64_t{traits->block_bytes}, &info.bytes)) {
      fail("size overflows");
    }
    info.offset = read<std::uint64_t>();
    return info;
  }

  std::uint64_t read_alignment(const GgufHeader& header) {
    const auto found = header.metadata.find("general.alignment");
    if (found == header.metadata.end()) return kDefaultAlignment;
    place_ = "key \"general.alignment\"";
    const auto* value = std::get_if<std::uint64_t>(&found->second);
    if (value == nullptr || *value > kMaxAlignment || !std::has_single_bit(*value)) {
      fail("need a power of two as an unsigned integer");
    }
    return *value;
  }

  // Turns offsets within the data section into offsets within the file, and checks them.
  void place_tensors(GgufHeader& header) {
    const std::uint64_t alignment = read_alignment(header);
    const std::uint64_t data_start = (pos_ + alignment - 1) / alignment * alignment;
    std::vector<GgufTensorInfo*> by_offset;
    for (GgufTensorInfo& info : header.tensors) {
      place_ = "tensor \"" + info.name + "\"";
      if (info.offset % alignment != 0) {
        fail("offset " + std::to_string(info.offset) + " is not a multiple of the alignment " +
             std::to_string(alignment));
      }
      std::uint64_t end = 0;
      if (__builtin_add_overflow(info.offset, data_start, &info.offset) ||
          __builtin_add_overflow(info.offset, info.bytes, &end) || end > file_.size()) {
        fail("data (" + std::to_string(info.bytes) + " bytes) reaches past the end of the file (" +
             std::to_string(file_.size()) + " bytes)");
      }
      by_offset.push_back(&info);
    }
    std::sort(by_offset.begin(), by_offset.end(), [](const auto* a, const auto* b) {
      return std::pair(a->offset, a->bytes) < std::pair(b->offset, b->bytes);
    });
    for (std::size_t i = 1; i < by_offset.size(); ++i) {
      if (by_offset[i - 1]->offset + by_offset[i - 1]->bytes > by_offset[i]->offset) {
        place_ = "tensor \"" + by_offset[i]->name + "\"";
        fail("data overlaps that of \"" + by_offset[i - 1]->name + "\"");
      }
    }
  }

  std::span<const std::byte> file_;
  const std::string& source_;
  std::uint64_t pos_ = 0;
  std::string place_;
};

}  // namespace

std::int64_t GgufTensorInfo::element_count() const {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) count *= dim;
  return count;
}

GgufHeader parse_gguf_header(std::span<const std::byte> file, const std::string& source_name) {
  return Parser(file, source_name).parse();
}

}  // namespace svtune
