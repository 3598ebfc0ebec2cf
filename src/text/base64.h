// Base64 with padding (RFC 4648, section 4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace svtune {

// The bytes, or nullopt for empty or malformed text.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace svtune
