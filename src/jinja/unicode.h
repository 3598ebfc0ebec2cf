// Python's view of strings for the template language: positions are code points, white space
// and case follow Unicode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace svtune::jinja {

// str.isspace() of one character, which is also \s of Python's re.
bool is_space(std::uint32_t code_point);
// str.isprintable() of one character.
bool is_printable(std::uint32_t code_point);
bool is_alphabetic(std::uint32_t code_point);
bool is_decimal(std::uint32_t code_point);
// Letter, number or underscore, as \w of Python's re.
bool is_word(std::uint32_t code_point);
bool is_upper(std::uint32_t code_point);
bool is_lower(std::uint32_t code_point);

// Full case conversion; final sigma included.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);

std::size_t count_characters(std::string_view text);
std::u32string to_characters(std::string_view text);
std::string from_characters(std::u32string_view characters);
// Byte position of the character `index`; text.size() beyond the end.
std::size_t byte_offset(std::string_view text, std::size_t index);

// Without white space (or, when `strip_set` is not null, without its characters).
std::string_view strip_left(std::string_view text, const std::u32string* strip_set = nullptr);
std::string_view strip_right(std::string_view text, const std::u32string* strip_set = nullptr);

}  // namespace svtune::jinja
