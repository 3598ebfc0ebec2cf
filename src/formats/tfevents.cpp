// EventWriter; see tfevents.h. The few protobuf messages are encoded by hand: a tag byte
// (field * 8 + wire type), then a varint, a fixed number, or a length and bytes.
#include "formats/tfevents.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>

#include "base/errors.h"
#include "base/files.h"

namespace svtune {
namespace {

enum WireType : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

constexpr int kStringDType = 7;  // tensorflow's DT_STRING

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1U) != 0 ? 0x82F63B78U : 0U);
    table[i] = crc;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> kCrcTable = make_crc_table();

template <typename T>
void append_raw(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void append_tag(std::string& out, std::uint32_t field, WireType type) {
  append_varint(out, std::uint64_t{field} * 8 + type);
}

void append_bytes(std::string& out, std::uint32_t field, std::string_view bytes) {
  append_tag(out, field, kBytes);
  append_varint(out, bytes.size());
  out += bytes;
}

std::string event(double wall_time, std::int64_t step) {
  std::string out;
  append_tag(out, 1, kFixed64);
  append_raw(out, wall_time);
  append_tag(out, 2, kVarint);
  append_varint(out, static_cast<std::uint64_t>(step));
  return out;
}

std::uint32_t masked_crc(std::string_view bytes) {
  const std::uint32_t crc = crc32c(std::as_bytes(std::span(bytes.data(), bytes.size())));
  return std::rotr(crc, 15) + 0xA282EAD8U;
}

std::string host_name() {
  char name[256] = "";
  if (::gethostname(name, sizeof name - 1) != 0) return "localhost";
  return name;
}

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> bytes) {
  std::uint32_t crc = ~0U;
  for (const std::byte byte : bytes) {
    crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<std::uint32_t>(byte)) & 0xFFU];
  }
  return ~crc;
}

EventWriter::EventWriter(const std::filesystem::path& directory, double wall_time) {
  static std::atomic<unsigned> counter{0};
  path_ = directory /
          ("events.out.tfevents." + std::to_string(static_cast<std::int64_t>(wall_time)) + "." +
           host_name() + "." + std::to_string(::getpid()) + "." + std::to_string(counter++));
  file_.reset(std::fopen(path_.c_str(), "abe"));
  if (!file_) {
    const int error = errno;
    throw FileError(path_.string(), std::string("cannot create: ") + std::strerror(error),
                    hint_of_errno(error));
  }
  std::string first;
  append_tag(first, 1, kFixed64);
  append_raw(first, wall_time);
  append_bytes(first, 3, "brain.Event:2");
  write_record(first);
}

void EventWriter::write_record(std::string_view payload) {
  std::string record;
  append_raw(record, static_cast<std::uint64_t>(payload.size()));
  append_raw(record, masked_crc(record));
  record += payload;
  append_raw(record, masked_crc(payload));
  if (std::fwrite(record.data(), 1, record.size(), file_.get()) != record.size()) {
    throw FileError(path_.string(), std::string("cannot write: ") + std::strerror(errno),
                    "free some space on that disk");
  }
}

void EventWriter::add_scalar(std::string_view tag, float value, std::int64_t step,
                             double wall_time) {
  std::string entry;
  append_bytes(entry, 1, tag);
  append_tag(entry, 2, kFixed32);
  append_raw(entry, value);
  std::string summary;
  append_bytes(summary, 1, entry);
  std::string record = event(wall_time, step);
  append_bytes(record, 5, summary);
  write_record(record);
}

void EventWriter::add_text(std::string_view tag, std::string_view text, std::int64_t step,
                           double wall_time) {
  std::string tensor;
  append_tag(tensor, 1, kVarint);
  append_varint(tensor, kStringDType);
  std::string dimension;
  append_tag(dimension, 1, kVarint);
  append_varint(dimension, 1);
  std::string shape;
  append_bytes(shape, 2, dimension);
  append_bytes(tensor, 2, shape);
  append_bytes(tensor, 8, text);
  std::string plugin;
  append_bytes(plugin, 1, "text");
  std::string metadata;
  append_bytes(metadata, 1, plugin);
  std::string entry;
  append_bytes(entry, 1, std::string(tag) + "/text_summary");
  append_bytes(entry, 8, tensor);
  append_bytes(entry, 9, metadata);
  std::string summary;
  append_bytes(summary, 1, entry);
  std::string record = event(wall_time, step);
  append_bytes(record, 5, summary);
  write_record(record);
}

void EventWriter::flush() {
  if (std::fflush(file_.get()) != 0) {
    throw FileError(path_.string(), std::string("cannot write: ") + std::strerror(errno),
                    "free some space on that disk");
  }
}

}  // namespace svtune
