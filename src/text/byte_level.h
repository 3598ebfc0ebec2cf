// GPT-2's notation for bytes in vocabulary files: every byte is written as one printable
// character. Bytes 33-126, 161-172 and 174-255 stand for themselves as code points, the other
// 68 for U+0100, U+0101, ... in order, so a space is "Ġ" and a line feed "Ċ".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace svtune {

// Code point that stands for `byte`; at most U+0143.
std::uint32_t byte_level_code_point(std::uint8_t byte);

// Byte that a code point stands for, or -1.
int byte_level_byte(std::uint32_t code_point);

// Appends the characters of all bytes (UTF-8, one or two bytes each).
void append_byte_level(std::string& out, std::string_view bytes);

// Appends the bytes that the characters of `token` (valid UTF-8) stand for. When one of them
// stands for no byte, appends `token` itself, as decoders expect of added tokens.
void append_byte_level_decoded(std::string& out, std::string_view token);

}  // namespace svtune
