// For tests and nothing else: builds GGUF files byte by byte, so that every field can be
// wrong on purpose.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace svtune::test {

template <typename T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

inline std::string gguf_string(std::string_view text) {
  return raw<std::uint64_t>(text.size()) + std::string(text);
}

class GgufBuilder {
 public:
  GgufBuilder& key(std::string_view name, std::uint32_t type, const std::string& value) {
    keys_ += gguf_string(name) + raw(type) + value;
    ++key_count;
    return *this;
  }
  GgufBuilder& u32(std::string_view name, std::uint32_t value) { return key(name, 4, raw(value)); }
  GgufBuilder& f32(std::string_view name, float value) { return key(name, 6, raw(value)); }
  GgufBuilder& boolean(std::string_view name, bool value) {
    return key(name, 7, raw<std::uint8_t>(value));
  }
  GgufBuilder& string(std::string_view name, std::string_view value) {
    return key(name, 8, gguf_string(value));
  }
  GgufBuilder& strings(std::string_view name, const std::vector<std::string>& values) {
    std::string packed = raw<std::uint32_t>(8) + raw<std::uint64_t>(values.size());
    for (const std::string& value : values) packed += gguf_string(value);
    return key(name, 9, packed);
  }
  template <typename T>
  GgufBuilder& array(std::string_view name, std::uint32_t type, const std::vector<T>& values) {
    std::string packed = raw(type) + raw<std::uint64_t>(values.size());
    for (const T value : values) packed += raw(value);
    return key(name, 9, packed);
  }
  // `dims` fastest first, as in the file. The data goes to the next aligned place.
  GgufBuilder& tensor(std::string_view name, const std::vector<std::uint64_t>& dims,
                      std::uint32_t type, const std::string& data) {
    data_.resize((data_.size() + alignment - 1) / alignment * alignment, '\0');
    return info(name, dims, type, data_.size()).append(data);
  }
  GgufBuilder& info(std::string_view name, const std::vector<std::uint64_t>& dims,
                    std::uint32_t type, std::uint64_t offset) {
    infos_ += gguf_string(name) + raw<std::uint32_t>(static_cast<std::uint32_t>(dims.size()));
    for (const std::uint64_t dim : dims) infos_ += raw(dim);
    infos_ += raw(type) + raw(offset);
    ++tensor_count;
    return *this;
  }
  GgufBuilder& append(const std::string& data) {
    data_ += data;
    return *this;
  }
  std::string build() const {
    std::string file = "GGUF" + raw(version) + raw(tensor_count) + raw(key_count) + keys_ + infos_;
    file.resize((file.size() + alignment - 1) / alignment * alignment, '\0');
    return file + data_;
  }

  std::uint32_t version = 3;
  std::uint64_t tensor_count = 0;
  std::uint64_t key_count = 0;
  std::size_t alignment = 32;

 private:
  std::string keys_;
  std::string infos_;
  std::string data_;
};

}  // namespace svtune::test
