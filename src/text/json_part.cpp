#include "text/json_part.h"

#include <utility>

#include "base/errors.h"

namespace svtune {

JsonPart::JsonPart(const Json& value, std::string where, const std::string& file)
    : value_(&value), where_(std::move(where)), file_(&file) {
  if (!value.is_object()) {
    throw FileError(file, where_ + " must be an object, got " + value.type_name());
  }
}

void JsonPart::fail(std::string_view key, const std::string& what) const {
  throw FileError(*file_, where_ + "." + std::string(key) + " " + what);
}

void JsonPart::fail_type(std::string_view known) const {
  throw FileError(*file_, where_ + ".type \"" + type() +
                              "\" is not supported; known types: " + std::string(known));
}

const Json* JsonPart::find(std::string_view key) const {
  const auto found = value_->find(key);
  return found == value_->end() || found->is_null() ? nullptr : &*found;
}

bool JsonPart::has(std::string_view key) const { return find(key) != nullptr; }

std::string JsonPart::text(std::string_view key) const {
  auto value = optional_text(key);
  if (!value) fail(key, "is missing");
  return *std::move(value);
}

std::optional<std::string> JsonPart::optional_text(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) fail(key, std::string("must be a string, got ") + value->type_name());
  return value->get<std::string>();
}

bool JsonPart::flag(std::string_view key, bool fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) {
    fail(key, std::string("must be true or false, got ") + value->type_name());
  }
  return value->get<bool>();
}

std::int64_t JsonPart::integer(std::string_view key, std::int64_t low, std::int64_t high) const {
  const Json* value = find(key);
  if (value == nullptr) fail(key, "is missing");
  const bool fits = value->is_number_integer() &&
                    (!value->is_number_unsigned() || value->get<std::uint64_t>() <= INT64_MAX);
  const std::int64_t number = fits ? value->get<std::int64_t>() : 0;
  if (!fits || number < low || number > high) {
    fail(key, "is " + value->dump(-1, ' ', false, Json::error_handler_t::replace) +
                  ", must be an integer from " + std::to_string(low) + " to " +
                  std::to_string(high));
  }
  return number;
}

JsonPart JsonPart::child(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) fail(key, "is missing");
  return JsonPart(*value, where_ + "." + std::string(key), *file_);
}

std::vector<JsonPart> JsonPart::children(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) fail(key, "is missing");
  if (!value->is_array()) fail(key, std::string("must be an array, got ") + value->type_name());
  std::vector<JsonPart> parts;
  for (std::size_t i = 0; i < value->size(); ++i) {
    parts.emplace_back((*value)[i], where_ + "." + std::string(key) + "[" + std::to_string(i) + "]",
                       *file_);
  }
  return parts;
}

}  // namespace svtune
