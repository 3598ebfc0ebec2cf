#include "text/json_object.h"

#include "base/errors.h"

namespace svtune {

namespace dom = simdjson::dom;

void JsonObject::fail(const std::string& what) const { throw FileError(*file_, what); }

bool JsonObject::find(const char* key, dom::element& out) const {
  return object_.at_key(key).get(out) == simdjson::SUCCESS && !out.is_null();
}

JsonObject JsonObject::child(const char* key) const {
  dom::element element;
  dom::object object;
  if (!find(key, element)) fail(name(key) + " is missing");
  if (element.get(object)) fail(name(key) + " must be an object");
  return {object, name(key), *file_};
}

std::string JsonObject::text(const char* key) const {
  dom::element element;
  std::string_view value;
  if (!find(key, element)) return {};
  if (element.get(value)) fail(name(key) + " must be a string");
  return std::string(value);
}

bool JsonObject::flag(const char* key, bool fallback) const {
  dom::element element;
  bool value = fallback;
  if (find(key, element) && element.get(value)) fail(name(key) + " must be true or false");
  return value;
}

std::int64_t JsonObject::integer(const char* key, std::int64_t fallback, std::int64_t high) const {
  dom::element element;
  std::int64_t value = fallback;
  if (!find(key, element)) return fallback;
  if (element.get(value) || value < 0 || value > high) {
    fail(name(key) + " must be a whole number from 0 to " + std::to_string(high));
  }
  return value;
}

dom::array JsonObject::array(const char* key) const {
  dom::element element;
  dom::array value;
  if (!find(key, element)) fail(name(key) + " is missing");
  if (element.get(value)) fail(name(key) + " must be an array");
  return value;
}

}  // namespace svtune
