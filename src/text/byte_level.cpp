#include "text/byte_level.h"

#include <array>
#include <cstddef>

#include "base/text_util.h"

namespace svtune {
namespace {

struct Tables {
  std::array<std::uint16_t, 256> code_point;
  std::array<std::int16_t, 0x144> byte;
};

constexpr bool stands_for_itself(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

constexpr Tables make_tables() {
  Tables tables{};
  for (auto& byte : tables.byte) byte = -1;
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const int code_point = stands_for_itself(byte) ? byte : next++;
    tables.code_point[byte] = static_cast<std::uint16_t>(code_point);
    tables.byte[code_point] = static_cast<std::int16_t>(byte);
  }
  return tables;
}

constexpr Tables kTables = make_tables();

}  // namespace

std::uint32_t byte_level_code_point(std::uint8_t byte) { return kTables.code_point[byte]; }

int byte_level_byte(std::uint32_t code_point) {
  return code_point < kTables.byte.size() ? kTables.byte[code_point] : -1;
}

void append_byte_level(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    const std::uint32_t code_point = kTables.code_point[static_cast<std::uint8_t>(c)];
    if (code_point < 0x80) {
      out.push_back(static_cast<char>(code_point));
    } else {
      out.push_back(static_cast<char>(0xC0 | (code_point >> 6)));
      out.push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
    }
  }
}

void append_byte_level_decoded(std::string& out, std::string_view token) {
  const std::size_t start = out.size();
  for (std::size_t pos = 0; pos < token.size();) {
    const int byte = byte_level_byte(decode_utf8(token, pos));
    if (byte < 0) {
      out.resize(start);
      out.append(token);
      return;
    }
    out.push_back(static_cast<char>(byte));
  }
}

}  // namespace svtune
