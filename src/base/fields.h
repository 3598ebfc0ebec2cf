// Every option is declared once: a config struct lists its members with name, help and limits,
//
//   struct LoraOptions {
//     std::int64_t rank = 16;
//     template <class Self, class Visitor>
//     static void fields(Self& self, Visitor& visit) {
//       visit(self.rank, {.name = "rank", .help = "Rank of A and B", .min = 1, .max = 65536});
//     }
//   };
//
// and JSON, command line, docs, man page and completion are written from that list.
// visit.group("Optimiser", self.optimiser) lists a nested struct under a heading; its keys lie
// in the same flat object. visit.choice(self.adapter, {.name = "method", ...}) lists a
// std::variant of config structs that have kName and kSummary: the option names the
// alternative, whose own options follow. Choices do not nest. An option, a group or a choice that
// has a meaning only in some company says so (base/field_condition.h).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/field_codec.h"
#include "base/field_info.h"

namespace svtune {

// Collects the fields of one live struct, in the order of their declaration.
class FieldLister {
 public:
  template <class T>
  void operator()(T& member, const FieldSpec& spec) {
    FieldInfo info = start(spec);
    detail::FieldCodec<T>::describe(info);
    info.value = detail::FieldCodec<T>::write(member);
    add({std::move(info),
         [&member](const Json& value) { member = detail::FieldCodec<T>::read(value); }});
  }

  template <class T>
  void group(std::string_view title, T& nested, const FieldCondition& when = {}) {
    const std::string outer = group_;
    const FieldCondition outer_when = when_;
    if (!title.empty()) group_ = title;
    when_ = when_ && when;
    T::fields(nested, *this);
    group_ = outer;
    when_ = outer_when;
  }

  template <class... Alternatives>
  void choice(std::variant<Alternatives...>& member, const FieldSpec& spec) {
    FieldInfo info = start(spec);
    info.kind = FieldKind::kEnum;
    info.selects = true;
    (info.choices.push_back(
         {std::string(Alternatives::kName), std::string(Alternatives::kSummary)}),
     ...);
    info.value = info.choices[member.index()].name;
    const std::string name = info.name;
    add({std::move(info), [&member](const Json& value) { select(member, value); }});
    std::visit([&](auto& active) { list_alternative(name, active, spec.when); }, member);
  }

  std::vector<Field> take() { return std::move(fields_); }

 private:
  FieldInfo start(const FieldSpec& spec) const;
  void add(Field field);  // throws std::logic_error when the name is taken

  template <class... Alternatives>
  static void select(std::variant<Alternatives...>& member, const Json& value) {
    const std::string name = value.get<std::string>();
    const auto try_one = [&]<class T>(const T*) {
      if (T::kName == name && !std::holds_alternative<T>(member)) member.template emplace<T>();
    };
    (try_one(static_cast<const Alternatives*>(nullptr)), ...);
  }

  template <class T>
  void list_alternative(const std::string& selector, T& active, const FieldCondition& when) {
    owner_ = selector;
    owner_value_ = T::kName;
    group("", active, when);
    owner_.clear();
    owner_value_.clear();
  }

  std::vector<Field> fields_;
  std::string group_, owner_, owner_value_;
  FieldCondition when_;
};

template <class T>
std::vector<Field> list_fields(T& options) {
  FieldLister lister;
  T::fields(options, lister);
  return lister.take();
}

// One value for one option: from a JSON file, texts of the command line when `from_text`, or JSON
// of a preset, which gives way: where other inputs leave its option no place, it has no effect.
struct FieldInput {
  std::string name;   // JSON key
  std::string label;  // how messages call it: "run.json: rank", "--rank"
  Json json;
  std::vector<std::string> texts;
  bool from_text = false;
  bool preset = false;
};

// The inputs that a command puts before the given ones, by what these ask for.
using FieldPresets = std::function<std::vector<FieldInput>(const std::vector<FieldInput>& given)>;

// Lists the fields of one live struct anew, since a choice changes which exist.
using FieldSource = std::function<std::vector<Field>()>;

// Later inputs win. `known` is every option that exists for some choice. Throws UsageError
// that gathers all problems: unknown name (with the nearest), wrong type, out of range, given
// where it does not apply. A saved configuration holds every option: a default in JSON counts as
// not given, and where two options exclude each other, text replaces JSON and both replace a
// preset.
void assign_fields(const FieldSource& source, const std::vector<FieldInput>& inputs,
                   const std::vector<FieldInfo>& known);
// The same without judging whether options apply: for a record of what was done.
void assign_record(const FieldSource& source, const std::vector<FieldInput>& inputs,
                   const std::vector<FieldInfo>& known);

// The inputs in a JSON object; throws UsageError when `json` is no object.
std::vector<FieldInput> json_inputs(const Json& json, const std::string& source_name);

// Flags or placeholders of required fields that are still empty.
std::vector<std::string> missing_fields(const std::vector<Field>& fields);

namespace detail {
Field* find_field(std::vector<Field>& fields, std::string_view name);  // nullptr: none
bool is_unset(const Json& value);  // null, "" or an empty list or map
std::vector<FieldInfo> describe_all(const FieldSource& source);
Json fields_json(const std::vector<Field>& fields);
}  // namespace detail

// Every option of T with its default, of all alternatives of a choice.
template <class T>
std::vector<FieldInfo> describe_fields() {
  T options{};
  return detail::describe_all([&options] { return list_fields(options); });
}

// The resolved options as one flat object, in the order of their declaration.
template <class T>
Json fields_to_json(const T& options) {
  T copy = options;
  return detail::fields_json(list_fields(copy));
}

// Reads a record over `options`. Throws UsageError and leaves `options` alone when it does not
// fit.
template <class T>
void fields_from_json(T& options, const Json& json, const std::string& source_name) {
  T copy = options;
  assign_record([&copy] { return list_fields(copy); }, json_inputs(json, source_name),
                describe_fields<T>());
  options = std::move(copy);
}

}  // namespace svtune
