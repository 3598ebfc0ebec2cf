// One object of tokenizer.json together with where it stands, so that a wrong value is reported
// as "file: pre_tokenizer.pretokenizers[0].behavior: ...".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace svtune {

// References must outlive the part. All accessors throw FileError naming the key.
class JsonPart {
 public:
  JsonPart(const Json& value, std::string where, const std::string& file);

  // The "type" of the part.
  std::string type() const { return text("type"); }
  std::string text(std::string_view key) const;
  // Absent or null: nullopt.
  std::optional<std::string> optional_text(std::string_view key) const;
  bool flag(std::string_view key, bool fallback) const;
  std::int64_t integer(std::string_view key, std::int64_t low, std::int64_t high) const;
  bool has(std::string_view key) const;  // present and not null
  JsonPart child(std::string_view key) const;
  std::vector<JsonPart> children(std::string_view key) const;

  [[noreturn]] void fail(std::string_view key, const std::string& what) const;
  // The type is none of those that are known here.
  [[noreturn]] void fail_type(std::string_view known) const;

  const Json& json() const { return *value_; }
  const std::string& where() const { return where_; }
  const std::string& file() const { return *file_; }

 private:
  const Json* find(std::string_view key) const;  // nullptr when absent or null

  const Json* value_;
  std::string where_;
  const std::string* file_;
};

}  // namespace svtune
