// Header parser: a streaming reader over nlohmann's events, so no document tree is built.
#include "formats/safetensors_header.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_set>

#include "base/errors.h"

namespace svtune {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::size_t kMaxDimensions = 64;

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

std::string printable(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, 200)) out += has_control_character({&c, 1}) ? '?' : c;
  return out;
}

// Receives the parser's events. `level_` tells where we are; anything out of place throws.
class HeaderEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderEvents(const std::string& source, SafetensorsHeader& header)
      : source_(source), header_(header) {}

  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("a boolean"); }
  bool binary(binary_t&) override { return refuse("binary data"); }
  bool number_integer(number_integer_t value) override {
    return refuse("the negative number " + std::to_string(value));
  }
  bool number_float(number_float_t, const string_t& text) override {
    return refuse("the number " + text + ", which is no 64-bit integer");
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (level_ == Level::kShape) {
      if (value > std::uint64_t(std::numeric_limits<std::int64_t>::max())) {
        refuse("the number " + std::to_string(value));
      }
      if (current_.shape.size() == kMaxDimensions) fail(where() + ": more than 64 dimensions");
      current_.shape.push_back(static_cast<std::int64_t>(value));
    } else if (level_ == Level::kOffsets) {
      if (offset_count_ == 2) fail(where() + ": more than two numbers");
      (offset_count_++ == 0 ? current_.begin : current_.end) = value;
    } else {
      refuse("the number " + std::to_string(value));
    }
    return true;
  }

  bool string(string_t& value) override {
    if (level_ == Level::kMetadata) {
      header_.metadata[key_] = value;
    } else if (level_ == Level::kEntry && key_ == "dtype") {
      const auto dtype = parse_dtype(value);
      if (!dtype) fail(where() + ": unknown type \"" + printable(value) + "\"");
      current_.dtype = *dtype;
    } else {
      refuse("the string \"" + printable(value) + "\"");
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (level_ == Level::kStart) {
      level_ = Level::kTop;
    } else if (level_ == Level::kTop) {
      level_ = top_key_ == "__metadata__" ? Level::kMetadata : Level::kEntry;
      current_ = TensorInfo();
      current_.name = top_key_;
      seen_.clear();
      offset_count_ = 0;
    } else {
      refuse("an object");
    }
    return true;
  }

  bool key(string_t& value) override {
    if (level_ == Level::kTop) {
      if (has_control_character(value)) {
        fail("tensor name \"" + printable(value) + "\" has a control character");
      }
      if (!names_.insert(value).second) fail("tensor \"" + value + "\" occurs twice");
      top_key_ = value;
      return true;
    }
    key_ = value;
    if (level_ == Level::kEntry && key_ != "dtype" && key_ != "shape" && key_ != "data_offsets") {
      fail(where() + ": unknown key");
    }
    if (std::find(seen_.begin(), seen_.end(), key_) != seen_.end() ||
        (level_ == Level::kMetadata && header_.metadata.count(key_) > 0)) {
      fail(where() + ": key occurs twice");
    }
    if (level_ == Level::kEntry) seen_.push_back(key_);
    return true;
  }

  bool end_object() override {
    if (level_ == Level::kEntry) {
      for (const char* needed : {"dtype", "shape", "data_offsets"}) {
        if (std::find(seen_.begin(), seen_.end(), needed) == seen_.end()) {
          fail("tensor \"" + top_key_ + "\": key \"" + needed + "\" is missing");
        }
      }
      header_.tensors.push_back(std::move(current_));
    }
    level_ = level_ == Level::kTop ? Level::kStart : Level::kTop;
    return true;
  }

  bool start_array(std::size_t) override {
    if (level_ == Level::kEntry && key_ == "shape") {
      level_ = Level::kShape;
    } else if (level_ == Level::kEntry && key_ == "data_offsets") {
      level_ = Level::kOffsets;
    } else {
      refuse("an array");
    }
    return true;
  }

  bool end_array() override {
    if (level_ == Level::kOffsets && offset_count_ != 2) fail(where() + ": need two numbers");
    level_ = Level::kEntry;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    fail("header is not valid JSON at byte " + std::to_string(kLengthBytes + position));
  }

 private:
  enum class Level { kStart, kTop, kMetadata, kEntry, kShape, kOffsets };

  [[noreturn]] void fail(const std::string& what) const {
    throw FileError(source_, what, "the file is damaged or not a safetensors file");
  }
  [[noreturn]] bool refuse(const std::string& got) const { fail(where() + ": unexpected " + got); }
  std::string where() const {
    switch (level_) {
      case Level::kStart:
        return "header";
      case Level::kTop:
        return "tensor \"" + printable(top_key_) + "\"";
      case Level::kMetadata:
        return "__metadata__ key \"" + printable(key_) + "\"";
      default:
        return "tensor \"" + printable(top_key_) + "\", key \"" + printable(key_) + "\"";
    }
  }

  const std::string& source_;
  SafetensorsHeader& header_;
  Level level_ = Level::kStart;
  std::string top_key_;
  std::string key_;
  TensorInfo current_;
  int offset_count_ = 0;
  std::vector<std::string> seen_;
  std::unordered_set<std::string> names_;
};

// The data section must be covered exactly: no hole, no overlap, nothing left.
void check_layout(const std::string& source, SafetensorsHeader& header, std::uint64_t data_bytes) {
  std::sort(header.tensors.begin(), header.tensors.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  std::uint64_t previous = 0;
  for (const TensorInfo& info : header.tensors) {
    const std::string offsets =
        "data_offsets [" + std::to_string(info.begin) + ", " + std::to_string(info.end) + "]";
    const std::string place = "tensor \"" + info.name + "\": ";
    if (info.end < info.begin) throw FileError(source, place + offsets + " run backwards");
    if (info.begin != previous) {
      throw FileError(source, place + offsets +
                                  (info.begin < previous ? " overlap the tensor before"
                                                         : " leave a hole before") +
                                  ", which ends at " + std::to_string(previous));
    }
    const std::uint64_t need = detail::tensor_bytes(source, info.name, info.dtype, info.shape);
    if (need != info.byte_size()) {
      throw FileError(source, place + offsets + " hold " + std::to_string(info.byte_size()) +
                                  " bytes, but dtype " + std::string(dtype_name(info.dtype)) +
                                  " with shape " + shape_text(info.shape) + " needs " +
                                  std::to_string(need));
    }
    previous = info.end;
  }
  if (previous != data_bytes) {
    throw FileError(source,
                    "the header describes " + std::to_string(previous) +
                        " bytes of tensor data, but the file has " + std::to_string(data_bytes),
                    previous > data_bytes ? "the file is truncated: copy or download it again"
                                          : "the file is damaged: copy or download it again");
  }
}

}  // namespace

namespace detail {

std::uint64_t tensor_bytes(const std::string& source, const std::string& name, DType dtype,
                           std::span<const std::int64_t> shape) {
  std::uint64_t bits = static_cast<std::uint64_t>(dtype_bits(dtype));
  bool overflow = false;
  for (const std::int64_t dim : shape) {
    overflow =
        overflow || dim < 0 || __builtin_mul_overflow(bits, static_cast<std::uint64_t>(dim), &bits);
  }
  if (overflow) {
    throw FileError(source, "tensor \"" + name + "\": shape " + shape_text(shape) + " overflows");
  }
  if (bits % 8 != 0) {
    throw FileError(source, "tensor \"" + name + "\": dtype " + std::string(dtype_name(dtype)) +
                                " with shape " + shape_text(shape) + " does not fill whole bytes");
  }
  return bits / 8;
}

}  // namespace detail

std::int64_t TensorInfo::element_count() const {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) count *= dim;
  return count;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file,
                                           const std::string& source_name) {
  const auto fail = [&](const std::string& what) {
    throw FileError(source_name, what, "the file is truncated or not a safetensors file");
  };
  if (file.size() < kLengthBytes) {
    fail("has " + std::to_string(file.size()) + " bytes, too short for a safetensors header");
  }
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  if (length > kMaxHeaderBytes) {
    fail("header length " + std::to_string(length) + " is above the limit of 100000000 bytes");
  }
  if (length > file.size() - kLengthBytes) {
    fail("header length " + std::to_string(length) + " reaches past the end of the file (" +
         std::to_string(file.size()) + " bytes)");
  }
  const char* text = reinterpret_cast<const char*>(file.data()) + kLengthBytes;
  if (length == 0 || text[0] != '{') fail("header does not start with '{'");
  SafetensorsHeader header;
  HeaderEvents events(source_name, header);
  nlohmann::json::sax_parse(text, text + length, &events);
  header.data_offset = kLengthBytes + length;
  check_layout(source_name, header, file.size() - header.data_offset);
  return header;
}

}  // namespace svtune
