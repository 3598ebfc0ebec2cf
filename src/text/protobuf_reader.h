// Reads the fields of one protobuf message from memory: varints, 32-bit and 64-bit values and
// length-delimited bytes (protobuf's encoding guide). Every length is checked, groups are
// refused, and nothing is allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace svtune {

class ProtobufReader {
 public:
  // `base` is the offset of `bytes` in the file, for errors. `file` must outlive the reader.
  ProtobufReader(std::string_view bytes, std::size_t base, const std::string& file)
      : bytes_(bytes), base_(base), file_(&file) {}

  // Moves to the next field; its value must then be read or skipped. False at the end. Throws
  // FileError naming the byte, as all functions here.
  bool next();
  std::uint32_t field() const { return field_; }

  // The value of the current field; an error when it has another wire type.
  std::uint64_t varint();
  std::int32_t int32();  // of a varint, negative values take ten bytes
  bool boolean() { return varint() != 0; }
  float float32();
  std::string_view bytes();
  ProtobufReader message();
  void skip();

 private:
  [[noreturn]] void fail(const std::string& what) const;
  void expect(std::uint32_t wire_type) const;
  std::uint64_t read_varint();
  std::string_view take(std::uint64_t count);

  std::string_view bytes_;
  std::size_t base_;
  const std::string* file_;
  std::size_t at_ = 0;
  std::uint32_t field_ = 0;
  std::uint32_t wire_type_ = 0;
};

}  // namespace svtune
