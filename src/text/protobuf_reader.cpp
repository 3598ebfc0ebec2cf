#include "text/protobuf_reader.h"

#include <bit>

#include "base/errors.h"

namespace svtune {
namespace {

constexpr std::uint32_t kVarint = 0;
constexpr std::uint32_t kFixed64 = 1;
constexpr std::uint32_t kBytes = 2;
constexpr std::uint32_t kFixed32 = 5;

}  // namespace

void ProtobufReader::fail(const std::string& what) const {
  throw FileError(*file_, "byte " + std::to_string(base_ + at_) + ": " + what);
}

std::uint64_t ProtobufReader::read_varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (at_ >= bytes_.size()) fail("the message ends within a number");
    const auto byte = static_cast<std::uint8_t>(bytes_[at_++]);
    value |= shift < 64 ? std::uint64_t{byte & 0x7FU} << shift : 0;
    if (byte < 0x80) return value;
  }
  fail("a number has more than ten bytes");
}

std::string_view ProtobufReader::take(std::uint64_t count) {
  if (count > bytes_.size() - at_) {
    fail("a field of " + std::to_string(count) + " bytes goes beyond the end of the message");
  }
  const std::string_view part = bytes_.substr(at_, static_cast<std::size_t>(count));
  at_ += part.size();
  return part;
}

bool ProtobufReader::next() {
  if (at_ == bytes_.size()) return false;
  const std::uint64_t tag = read_varint();
  field_ = static_cast<std::uint32_t>(tag >> 3);
  wire_type_ = static_cast<std::uint32_t>(tag & 7);
  const bool known = wire_type_ == kVarint || wire_type_ == kFixed64 || wire_type_ == kBytes ||
                     wire_type_ == kFixed32;
  if (tag > UINT32_MAX || field_ == 0 || !known) {
    fail("field " + std::to_string(tag >> 3) + " of type " + std::to_string(wire_type_) +
         " is not valid protobuf");
  }
  return true;
}

void ProtobufReader::expect(std::uint32_t wire_type) const {
  if (wire_type_ != wire_type) {
    fail("field " + std::to_string(field_) + " has type " + std::to_string(wire_type_) +
         ", must be " + std::to_string(wire_type));
  }
}

std::uint64_t ProtobufReader::varint() {
  expect(kVarint);
  return read_varint();
}

std::int32_t ProtobufReader::int32() { return static_cast<std::int32_t>(varint()); }

float ProtobufReader::float32() {
  expect(kFixed32);
  std::uint32_t bits = 0;
  int shift = 0;
  for (const char c : take(4)) {
    bits |= std::uint32_t{static_cast<std::uint8_t>(c)} << shift;
    shift += 8;
  }
  return std::bit_cast<float>(bits);
}

std::string_view ProtobufReader::bytes() {
  expect(kBytes);
  return take(read_varint());
}

ProtobufReader ProtobufReader::message() {
  const std::string_view part = bytes();
  return {part, base_ + at_ - part.size(), *file_};
}

void ProtobufReader::skip() {
  if (wire_type_ == kVarint) read_varint();
  if (wire_type_ == kFixed64) take(8);
  if (wire_type_ == kFixed32) take(4);
  if (wire_type_ == kBytes) take(read_varint());
}

}  // namespace svtune
