// Typed look-ups in a parsed tokenizer.json that is too large for the general JSON value.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <string>

namespace svtune {

// A JSON object and where it stands. References must outlive it. All accessors throw FileError
// naming the key; a key that is null counts as absent.
class JsonObject {
 public:
  JsonObject(simdjson::dom::object object, std::string where, const std::string& file)
      : object_(object), where_(std::move(where)), file_(&file) {}

  bool find(const char* key, simdjson::dom::element& out) const;
  JsonObject child(const char* key) const;
  // Absent: "".
  std::string text(const char* key) const;
  bool flag(const char* key, bool fallback = false) const;
  std::int64_t integer(const char* key, std::int64_t fallback, std::int64_t high) const;
  simdjson::dom::array array(const char* key) const;

  [[noreturn]] void fail(const std::string& what) const;
  const simdjson::dom::object& dom() const { return object_; }
  const std::string& file() const { return *file_; }

 private:
  std::string name(const char* key) const { return where_.empty() ? key : where_ + "." + key; }

  simdjson::dom::object object_;
  std::string where_;
  const std::string* file_;
};

}  // namespace svtune
