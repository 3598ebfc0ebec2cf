// Every option of every command in every company its conditions name: it is either taken or
// refused by name, as a plain reading of its condition says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/errors.h"
#include "base/text_util.h"
#include "cli/commands.h"

namespace svtune {
namespace options_test {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Options by name, as on the command line.
using Company = std::map<std::string, std::string>;

// A value that is neither the default nor blank.
std::string sample_text(const FieldInfo& info) {
  std::string text = "x";
  if (info.kind == FieldKind::kBool) {
    text = info.value == Json(true) ? "false" : "true";
  } else if (info.kind == FieldKind::kInteger) {
    const auto least =
        std::max<std::int64_t>(2, std::isfinite(info.min) ? std::llround(info.min) : 0);
    text = std::to_string(info.value == Json(least) ? least + 1 : least);
  } else if (info.kind == FieldKind::kNumber) {
    text = "0.5";
  } else if (info.kind == FieldKind::kEnum) {
    const bool first_is_default = info.value == Json(info.choices.front().name);
    text = info.choices[first_is_default ? 1 : 0].name;
  }
  return info.shape == FieldShape::kMap ? "q_proj=" + text : text;
}

template <class Options>
struct Walk {
  const std::vector<FieldInfo> known = describe_fields<Options>();

  const FieldInfo& info_of(std::string_view name) const {
    const auto it =
        std::ranges::find_if(known, [&](const auto& each) { return each.name == name; });
    if (it == known.end()) throw std::logic_error("no option " + std::string(name));
    return *it;
  }

  // Message of the refusal; empty: taken.
  std::string apply(const Company& company, Json* resolved = nullptr) const {
    std::vector<FieldInput> inputs;
    for (const auto& [name, text] : company) {
      inputs.push_back({name, field_flag(name), Json(), {text}, true});
    }
    Options options;
    try {
      assign_fields([&options] { return list_fields(options); }, inputs, known);
    } catch (const UsageError& error) {
      return error.what();
    }
    if (resolved != nullptr) *resolved = fields_to_json(options);
    return "";
  }

  // The settings of another option that a condition may ask for.
  std::vector<std::optional<std::string>> settings_of(const FieldInfo& info) const {
    std::vector<std::optional<std::string>> settings{std::nullopt, sample_text(info)};
    for (const FieldChoice& choice : info.choices) settings.emplace_back(choice.name);
    return settings;
  }

  // Every combination of the options that the option's condition names, and of its owner.
  std::vector<Company> companies(const FieldInfo& info) const {
    std::vector<std::string> names;
    // What another command has can only be absent here.
    const auto add = [&](std::string_view name) {
      const bool here = std::ranges::any_of(known, [&](const auto& it) { return it.name == name; });
      if (here && std::ranges::count(names, name) == 0) names.emplace_back(name);
    };
    add(info.owner);
    for (const auto& set : info.when.sets()) {
      for (const FieldClause& clause : set) add(clause.option);
    }
    std::vector<Company> all{{}};
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string name = names[i];
      add(info_of(name).owner);
      for (const auto& set : info_of(name).when.sets()) {
        for (const FieldClause& clause : set) add(clause.option);
      }
      std::vector<Company> wider;
      for (const Company& company : all) {
        for (const auto& setting : settings_of(info_of(name))) {
          wider.push_back(company);
          if (setting) wider.back()[name] = *setting;
        }
      }
      all = std::move(wider);
    }
    return all;
  }

  // What the option's declaration says of the company, read from the resolved options.
  bool applies(const FieldInfo& info, const Json& resolved) const {
    const auto blank = [&](std::string_view option) {
      const auto it = resolved.find(std::string(option));
      return it == resolved.end() || is_blank(&*it);
    };
    if (!info.owner.empty() &&
        std::ranges::count(info.owner_values,
                           resolved.at(info.owner).template get<std::string>()) == 0) {
      return false;
    }
    return std::ranges::all_of(info.when.sets(), [&](const std::vector<FieldClause>& set) {
      return std::ranges::any_of(set, [&](const FieldClause& clause) {
        if (clause.absent) return blank(clause.option);
        if (clause.values.empty()) return !blank(clause.option);
        const auto it = resolved.find(std::string(clause.option));
        return it != resolved.end() && it->is_string() &&
               std::ranges::count(split(clause.values, '|'),
                                  std::string_view(it->template get_ref<const std::string&>())) > 0;
      });
    });
  }

  // Options of several methods may share a name and differ in all else.
  bool any_applies(const FieldInfo& info, const Json& resolved) const {
    return std::ranges::any_of(known, [&](const FieldInfo& each) {
      return each.name == info.name && applies(each, resolved);
    });
  }

  void walk(const FieldInfo& info) const {
    SCOPED_TRACE(std::string(Options::kCommand.name) + " " + field_flag(info.name));
    std::size_t taken = 0, refused = 0;
    for (const Company& company : companies(info)) {
      Json resolved;
      if (company.contains(info.name) || !apply(company, &resolved).empty()) continue;
      Company with = company;
      with[info.name] = sample_text(info);
      const std::string refusal = apply(with);
      if (applies(info, resolved)) {
        EXPECT_EQ(refusal, "");
        ++taken;
      } else if (!any_applies(info, resolved)) {
        EXPECT_THAT(refusal, HasSubstr(field_flag(info.name) + ": "));
        ++refused;
      }
    }
    EXPECT_GT(taken, 0u) << "nothing lets this option be given";
    EXPECT_EQ(refused > 0, !info.when.empty() || !info.owner.empty());
  }

  void exclude(const FieldInfo& info) const {
    if (info.instead_of.empty()) return;
    const FieldInfo& other = info_of(info.instead_of);
    const Company both{{info.name, sample_text(info)}, {other.name, sample_text(other)}};
    EXPECT_THAT(apply(both), HasSubstr("exclude each other")) << info.name;
  }

  // Such as of a shell's variable that is not set. A required one would be missing.
  void refuse_empty(const FieldInfo& info) const {
    const bool one = info.shape == FieldShape::kScalar || info.shape == FieldShape::kOptional;
    if (!one || info.required || info.free_text) return;
    EXPECT_THAT(apply(Company{{info.name, ""}}), HasSubstr(field_flag(info.name) + ": "));
  }

  void run() const {
    for (const FieldInfo& info : known) {
      walk(info);
      exclude(info);
      refuse_empty(info);
    }
  }
};

template <class... Options>
void walk_all(CommandList<Options...>) {
  (Walk<Options>{}.run(), ...);
}

TEST(Options, EachIsTakenWhereItAppliesAndRefusedElsewhere) { walk_all(Commands{}); }

// Choices by the names of the options; methods may share a name and differ in its values.
std::map<std::string, std::set<std::string>> choices_of(const std::vector<FieldInfo>& known) {
  std::map<std::string, std::set<std::string>> choices;
  for (const FieldInfo& each : known) {
    std::set<std::string>& names = choices[std::string(each.name)];
    for (const FieldChoice& choice : each.choices) names.emplace(choice.name);
  }
  return choices;
}

// A name in a condition that no option bears would never hold. Commands that share options may have
// values of their own, and lack what is only to be absent.
TEST(Options, ConditionsNameOptionsAndValuesThatExist) {
  std::vector<FieldInfo> everywhere;
  for (const Command& command : Commands::make()) {
    for (FieldInfo& info : command.fields()) everywhere.push_back(std::move(info));
  }
  const auto any = choices_of(everywhere);
  for (const Command& command : Commands::make()) {
    const std::vector<FieldInfo> known = command.fields();
    const auto here = choices_of(known);
    for (const FieldInfo& info : known) {
      for (const auto& set : info.when.sets()) {
        for (const FieldClause& clause : set) {
          const std::string option(clause.option);
          SCOPED_TRACE(std::string(info.name) + " needs " + option);
          ASSERT_TRUE(any.contains(option));
          ASSERT_TRUE(here.contains(option) || clause.absent);
          if (clause.values.empty()) continue;
          int found = 0;
          for (const std::string_view value : split(clause.values, '|')) {
            EXPECT_TRUE(any.at(option).contains(std::string(value))) << value;
            if (here.at(option).contains(std::string(value))) ++found;
          }
          EXPECT_GT(found, 0) << clause.values;
        }
      }
    }
  }
}

// What makes tensors is bounded where it is read, before anything of that size is made.
TEST(Options, RanksAndCountsOfMethodsHaveALimit) {
  int found = 0;
  for (const FieldInfo& info : describe_fields<TrainCommandOptions>()) {
    const bool sizes = info.name.ends_with("rank") || info.name == "numbers" ||
                       info.name == "block_size" || info.name == "butterfly_factors";
    if (!sizes || info.shape == FieldShape::kMap) continue;
    ++found;
    EXPECT_NE(check_field(info, 100000000), "") << info.owner << " " << info.name;
  }
  EXPECT_GT(found, 12);
}

TEST(Options, AWordOfSeveralMethodsMeansTheSameInAll) {
  const std::vector<FieldInfo> known = describe_fields<TrainCommandOptions>();
  std::map<std::string, const FieldInfo*> first;
  int dropouts = 0;
  for (const FieldInfo& info : known) {
    if (info.owner.empty()) continue;
    const auto [place, added] = first.try_emplace(std::string(info.name), &info);
    if (!added) {
      EXPECT_TRUE(place->second->kind == info.kind) << info.name;
      EXPECT_TRUE(place->second->shape == info.shape) << info.name;
      EXPECT_EQ(place->second->unit, info.unit) << info.name;
    }
    if (info.name != "dropout") continue;
    EXPECT_THAT(std::string(info.help), StartsWith("Dropout on "));  // and on nothing but inputs
    ++dropouts;
  }
  EXPECT_GT(dropouts, 1);
}

// What was saved of a run is no wish: each method's own defaults can stand under any other's.
TEST(Options, SavedDefaultsOfEveryMethodAreTakenWithAnyOther) {
  const std::vector<FieldInfo> known = describe_fields<TrainCommandOptions>();
  const auto methods =
      std::ranges::find_if(known, [](const auto& info) { return info.name == "method"; })->choices;
  for (const FieldChoice& saved : methods) {
    TrainCommandOptions first;
    fields_from_json(first, {{"method", saved.name}}, "method");
    for (const FieldChoice& other : methods) {
      TrainCommandOptions second;
      std::vector<FieldInput> inputs = json_inputs(fields_to_json(first), "config.json");
      inputs.push_back({"method", "--method", Json(), {other.name}, true});
      EXPECT_NO_THROW(assign_fields([&] { return list_fields(second); }, inputs, known))
          << saved.name << " " << other.name;
    }
  }
}

}  // namespace options_test
}  // namespace svtune
