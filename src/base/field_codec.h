// From a C++ type to what FieldInfo says of it, and the assignment of a checked JSON value.
// Supported: bool, integers, float and double, std::string, std::filesystem::path, enums
// with enum_names(); std::optional and std::vector of them, std::map from std::string.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/field_info.h"

namespace svtune {

template <class E>
concept NamedEnum = std::is_enum_v<E> && requires(E e) { enum_names(e); };

// The name of an enum value; throws std::out_of_range when the table lacks it.
template <NamedEnum E>
std::string_view enum_name(E value) {
  for (const auto& entry : enum_names(value)) {
    if (entry.value == value) return entry.name;
  }
  throw std::out_of_range("enum value without a name");
}

template <NamedEnum E>
std::optional<E> enum_from_name(std::string_view name) {
  for (const auto& entry : enum_names(E{})) {
    if (entry.name == name) return entry.value;
  }
  return std::nullopt;
}

namespace detail {

template <class T>
struct ScalarCodec;

template <>
struct ScalarCodec<bool> {
  static void describe(FieldInfo& info) { info.kind = FieldKind::kBool; }
  static Json write(bool value) { return value; }
  static bool read(const Json& json) { return json.get<bool>(); }
};

template <std::integral T>
struct ScalarCodec<T> {
  static void describe(FieldInfo& info) {
    info.kind = FieldKind::kInteger;
    info.type_min = static_cast<std::int64_t>(std::numeric_limits<T>::min());
    info.type_max = static_cast<std::uint64_t>(std::numeric_limits<T>::max());
  }
  static Json write(T value) { return value; }
  static T read(const Json& json) { return json.get<T>(); }
};

template <std::floating_point T>
struct ScalarCodec<T> {
  static void describe(FieldInfo& info) { info.kind = FieldKind::kNumber; }
  static Json write(T value) { return static_cast<double>(value); }
  static T read(const Json& json) { return json.get<T>(); }
};

template <>
struct ScalarCodec<std::string> {
  static void describe(FieldInfo& info) { info.kind = FieldKind::kString; }
  static Json write(const std::string& value) { return value; }
  static std::string read(const Json& json) { return json.get<std::string>(); }
};

template <>
struct ScalarCodec<std::filesystem::path> {
  static void describe(FieldInfo& info) { info.kind = FieldKind::kPath; }
  static Json write(const std::filesystem::path& value) { return value.string(); }
  static std::filesystem::path read(const Json& json) { return json.get<std::string>(); }
};

template <NamedEnum T>
struct ScalarCodec<T> {
  static void describe(FieldInfo& info) {
    info.kind = FieldKind::kEnum;
    for (const auto& entry : enum_names(T{})) {
      info.choices.push_back({std::string(entry.name), std::string(entry.help)});
    }
  }
  static Json write(T value) { return std::string(enum_name(value)); }
  static T read(const Json& json) { return *enum_from_name<T>(json.get<std::string>()); }
};

template <class T>
struct FieldCodec : ScalarCodec<T> {};

template <class T>
struct FieldCodec<std::optional<T>> {
  static void describe(FieldInfo& info) {
    ScalarCodec<T>::describe(info);
    info.shape = FieldShape::kOptional;
  }
  static Json write(const std::optional<T>& value) {
    return value ? ScalarCodec<T>::write(*value) : Json(nullptr);
  }
  static std::optional<T> read(const Json& json) {
    if (json.is_null()) return std::nullopt;
    return ScalarCodec<T>::read(json);
  }
};

template <class T>
struct FieldCodec<std::vector<T>> {
  static void describe(FieldInfo& info) {
    ScalarCodec<T>::describe(info);
    info.shape = FieldShape::kList;
  }
  static Json write(const std::vector<T>& values) {
    Json out = Json::array();
    for (const auto& value : values) out.push_back(ScalarCodec<T>::write(value));
    return out;
  }
  static std::vector<T> read(const Json& json) {
    std::vector<T> out;
    for (const auto& value : json) out.push_back(ScalarCodec<T>::read(value));
    return out;
  }
};

template <class T>
struct FieldCodec<std::map<std::string, T>> {
  static void describe(FieldInfo& info) {
    ScalarCodec<T>::describe(info);
    info.shape = FieldShape::kMap;
  }
  static Json write(const std::map<std::string, T>& values) {
    Json out = Json::object();
    for (const auto& [key, value] : values) out[key] = ScalarCodec<T>::write(value);
    return out;
  }
  static std::map<std::string, T> read(const Json& json) {
    std::map<std::string, T> out;
    for (const auto& [key, value] : json.items()) out[key] = ScalarCodec<T>::read(value);
    return out;
  }
};

}  // namespace detail
}  // namespace svtune
