// PEFT's rules for which module a name in a configuration means. Patterns are regular
// expressions, matched with PCRE2 under limits.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace svtune {

// Whether `name` ends with the pattern at a dot border: (.*\.)?(KEY)$ from its first
// character. Throws UsageError when the pattern is no valid regular expression.
bool matches_pattern_key(const std::string& key, const std::string& name);
// Whether the whole name matches the regular expression.
bool matches_full(const std::string& pattern, const std::string& name);
// What the pattern's group named "idx" caught in a match that starts at the name's first
// character; nullopt when nothing matches or the group took no part.
std::optional<std::string> match_index(const std::string& pattern, const std::string& name);

// Value of the first key, in the map's order, that matches the module's name.
template <class Value>
std::optional<Value> match_pattern(const std::map<std::string, Value>& patterns,
                                   const std::string& name) {
  for (const auto& [key, value] : patterns) {
    if (matches_pattern_key(key, name)) return value;
  }
  return std::nullopt;
}

}  // namespace svtune
