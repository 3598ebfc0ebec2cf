// What is known of one option: its name, type, limits, default and help, as plain data.
//
// A FieldSpec is what a config struct writes beside a member; a FieldInfo is the same
// with everything that the member's type and default value add. Command line, JSON, docs,
// man page and completion all read FieldInfo and nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/field_condition.h"
#include "base/json.h"

namespace svtune {

// One value of an enum option. Each enum offers `enum_names(E)` by argument-dependent lookup:
//   inline constexpr EnumName<Svd> kSvdNames[] = {{Svd::kExact, "exact", "LAPACK"}, ...};
//   constexpr std::span<const EnumName<Svd>> enum_names(Svd) { return kSvdNames; }
template <class E>
struct EnumName {
  E value;
  std::string_view name;
  std::string_view help = "";
};

enum class PathHint { kAny, kFile, kDirectory };

inline constexpr double kNoLimit = std::numeric_limits<double>::infinity();

// Written once per option. `name` is the JSON key in snake_case; the flag is the same name
// with dashes.
struct FieldSpec {
  std::string_view name;
  std::string_view help;
  std::string_view unit = "";
  std::string_view value_name = "";  // placeholder in the help; "" takes the type's own
  double min = -kNoLimit;            // inclusive
  double max = kNoLimit;             // inclusive
  double above = -kNoLimit;          // exclusive
  double below = kNoLimit;           // exclusive
  char separator = ',';              // between the parts of a list or map; 0 for none
  bool required = false;             // may not stay empty
  bool positional = false;           // given without its flag's name
  PathHint path = PathHint::kAny;
  FieldCondition when = {};  // given where this does not hold, the option is refused
  // Of a map, or what a list holds: patterns of layer names, each to match one.
  bool keys_are_layers = false;
  std::string_view instead_of = "";  // the option that this one replaces: never both
  bool is_size = false;              // of an integer: bytes, also given as "4G" (parse_size)
  std::string_view former = "";      // name in earlier versions: refused, and this one is named
  bool free_text = false;            // of a text: names nothing, and may be given empty
};

enum class FieldKind { kBool, kInteger, kNumber, kString, kPath, kEnum };
enum class FieldShape { kScalar, kOptional, kList, kMap };

struct FieldChoice {
  std::string name;
  std::string help;
};

struct FieldInfo {
  std::string name;
  std::string help;
  std::string unit;
  std::string value_name;
  std::string group;
  FieldKind kind = FieldKind::kString;
  FieldShape shape = FieldShape::kScalar;
  double min = -kNoLimit, max = kNoLimit, above = -kNoLimit, below = kNoLimit;
  // Limits of the integer type itself.
  std::int64_t type_min = std::numeric_limits<std::int64_t>::min();
  std::uint64_t type_max = std::numeric_limits<std::uint64_t>::max();
  std::vector<FieldChoice> choices;
  char separator = ',';
  bool required = false;
  bool positional = false;
  PathHint path = PathHint::kAny;
  Json value;  // the value when listed; of a default-constructed struct this is the default
  // When the option exists only for some values of another one: "method", {"lora", "pissa"}.
  std::string owner;
  std::vector<std::string> owner_values;
  FieldCondition when;     // its own and its groups'
  std::string instead_of;  // empty: none
  std::string former;      // empty: none
  bool keys_are_layers = false;
  bool is_size = false;
  bool free_text = false;
  bool selects = false;  // the option's value decides which other options exist
};

// A FieldInfo bound to a live member. `assign` takes a value that check_field accepted.
struct Field {
  FieldInfo info;
  std::function<void(const Json&)> assign;
};

// "only with --svd fast; instead of --epochs": when the option may be given; empty: always.
std::string field_use_text(const FieldInfo& info);

// "--method is --base-dtype and --start now" of the options whose former name is `flag`; empty when
// there is none.
std::string renamed_text(std::span<const FieldInfo> known, const std::string& flag);

// Empty when `value` fits, else a sentence: "got 0, allowed 1 to 65536".
std::string check_field(const FieldInfo& info, const Json& value);

// Turns command-line texts into a JSON value of the field's kind; parts that are no number
// or no boolean stay text, which check_field then refuses by name. A size may be such a text in
// JSON, too.
Json parse_field_text(const FieldInfo& info, const std::vector<std::string>& texts);

// For help and docs: "integer", "list of paths", "exact | fast", "1 to 65536", "0.0002".
std::string field_type_text(const FieldInfo& info);
std::string field_range_text(const FieldInfo& info);
std::string field_value_text(const FieldInfo& info, const Json& value);
std::string field_placeholder(const FieldInfo& info);

}  // namespace svtune
