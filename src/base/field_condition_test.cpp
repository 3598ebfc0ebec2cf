// Options that apply only in some company: given elsewhere they are refused with the reason;
// defaults of a saved configuration are not.
#include "base/field_condition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "base/fields.h"

namespace svtune {
namespace field_condition_test {

using ::testing::HasSubstr;

enum class Svd { kExact, kFast };
inline constexpr EnumName<Svd> kSvdNames[] = {{Svd::kExact, "exact"}, {Svd::kFast, "fast"}};
constexpr std::span<const EnumName<Svd>> enum_names(Svd) { return kSvdNames; }

struct Pissa {
  static constexpr std::string_view kName = "pissa";
  static constexpr std::string_view kSummary = "principal triplets";
  Svd svd = Svd::kExact;
  std::int64_t niter = 16;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.svd, {.name = "svd", .help = "Algorithm"});
    visit(self.niter, {.name = "niter", .help = "Passes", .when = only_with("svd", "fast")});
  }
};

struct Lora {
  static constexpr std::string_view kName = "lora";
  static constexpr std::string_view kSummary = "random start";
  bool repair = false;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.repair, {.name = "repair", .help = "Repair"});
  }
};

struct Rounds {
  std::int64_t rounds = 5;
  bool twice = false;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.rounds, {.name = "rounds",
                        .help = "Rounds",
                        .when = only_with("method", "pissa") || only_with("repair")});
    visit(self.twice, {.name = "twice", .help = "Twice"});
  }
};

struct Options {
  std::optional<std::string> base, adapter;
  std::variant<Pissa, Lora> method;
  Rounds rounds;
  std::int64_t epochs = 1;
  std::optional<std::int64_t> max_steps;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.base, {.name = "base", .help = "Base"});
    visit(self.adapter, {.name = "adapter", .help = "Adapter"});
    visit.choice(self.method, {.name = "method", .help = "Method", .when = not_with("adapter")});
    visit.group("Rounding", self.rounds, only_with("base"));
    visit(self.epochs, {.name = "epochs", .help = "Epochs", .min = 1});
    visit(self.max_steps, {.name = "max_steps", .help = "Steps", .min = 1, .instead_of = "epochs"});
  }
};

FieldInput flag(const std::string& name, const std::string& text) {
  return {name, field_flag(name), Json(), {text}, true};
}

// The resolved options, or the message and hint of the refusal.
struct Result {
  Json options;
  std::string refusal;
};

Result resolve(const std::vector<FieldInput>& inputs) {
  Options options;
  try {
    assign_fields([&options] { return list_fields(options); }, inputs, describe_fields<Options>());
  } catch (const UsageError& error) {
    return {Json(), std::string(error.what()) + " | " + error.hint()};
  }
  return {fields_to_json(options), ""};
}

Result resolve(const Json& file, const std::vector<FieldInput>& flags) {
  std::vector<FieldInput> inputs = json_inputs(file, "run.json");
  inputs.insert(inputs.end(), flags.begin(), flags.end());
  return resolve(inputs);
}

std::string refusal(const std::vector<FieldInput>& flags) {
  return resolve(Json::object(), flags).refusal;
}

TEST(FieldConditions, OptionWithoutItsCompanyIsRefusedWithTheReason) {
  EXPECT_EQ(refusal({flag("niter", "4")}),
            "--niter: applies only with --svd fast (--svd is exact) | "
            "Leave it out, or give --svd fast.");
  EXPECT_EQ(refusal({flag("twice", "true")}),
            "--twice: applies only with --base | Leave it out, or give --base.");
  EXPECT_EQ(refusal({flag("niter", "4"), flag("svd", "fast")}), "");
}

TEST(FieldConditions, DefaultGivenAsTextCountsAsGiven) {
  EXPECT_THAT(refusal({flag("niter", "16")}), HasSubstr("--niter: applies only with"));
}

TEST(FieldConditions, AlternativesAndGroupsHoldTogether) {
  EXPECT_EQ(refusal({flag("rounds", "2"), flag("base", "nf4")}), "");
  EXPECT_THAT(refusal({flag("rounds", "2")}), HasSubstr("--rounds: applies only with --base |"));
  const std::vector<FieldInput> lora = {flag("rounds", "2"), flag("base", "nf4"),
                                        flag("method", "lora")};
  EXPECT_THAT(refusal(lora), HasSubstr("--rounds: applies only with --method pissa or --repair "
                                       "(--method is lora, --repair is false)"));
  std::vector<FieldInput> repairing = lora;
  repairing.push_back(flag("repair", "true"));
  EXPECT_EQ(refusal(repairing), "");
}

TEST(FieldConditions, ChoiceAndItsOptionsShareTheCondition) {
  for (const FieldInput& input : {flag("method", "pissa"), flag("svd", "fast")}) {
    EXPECT_THAT(refusal({flag("adapter", "dir"), input}),
                HasSubstr(input.label + ": does not go with --adapter"));
  }
  EXPECT_EQ(refusal({flag("adapter", "dir")}), "");
}

TEST(FieldConditions, SavedDefaultsAreNotGiven) {
  Options options;
  const Json saved = fields_to_json(options);
  EXPECT_EQ(resolve(saved, {}).refusal, "");
  EXPECT_EQ(resolve(saved, {flag("adapter", "dir")}).refusal, "");
  EXPECT_EQ(resolve(saved, {flag("method", "lora")}).options.at("method"), "lora");
}

TEST(FieldConditions, SavedValuesThatLoseTheirCompanyAreNamed) {
  Json saved = fields_to_json(Options{});
  saved["svd"] = "fast";
  saved["niter"] = 4;
  EXPECT_EQ(resolve(saved, {}).refusal, "");
  EXPECT_THAT(resolve(saved, {flag("svd", "exact")}).refusal,
              HasSubstr("run.json: niter: applies only with --svd fast"));
  EXPECT_THAT(resolve(saved, {flag("method", "lora")}).refusal,
              HasSubstr("run.json: niter: no option of --method lora"));
}

TEST(FieldConditions, RecordsAreNotJudged) {
  Options options;
  EXPECT_NO_THROW(fields_from_json(options, {{"niter", 4}, {"max_steps", 7}, {"epochs", 3}}, "r"));
  EXPECT_EQ(std::get<Pissa>(options.method).niter, 4);
}

TEST(FieldConditions, UnsetTextIsNotGiven) {
  EXPECT_EQ(refusal({flag("max_steps", "none"), flag("epochs", "3")}), "");
  const std::vector<FieldInput> flags = {flag("base", ""), flag("epochs", "3")};
  EXPECT_EQ(resolve({{"base", "other"}}, flags).refusal, "");
  EXPECT_THAT(refusal(flags), HasSubstr("--base: got an empty text"));
}

TEST(FieldConditions, ExclusiveOptionsAreRefusedTogetherAndReplaceTheFile) {
  EXPECT_EQ(refusal({flag("max_steps", "7"), flag("epochs", "3")}),
            "--max-steps and --epochs exclude each other | Leave out one of the two.");
  EXPECT_THAT(resolve({{"max_steps", 7}, {"epochs", 3}}, {}).refusal, HasSubstr("exclude"));
  const Json steps = resolve({{"epochs", 3}}, {flag("max_steps", "7")}).options;
  EXPECT_EQ(steps.at("max_steps"), 7);
  EXPECT_EQ(steps.at("epochs"), 1);
  const Json epochs = resolve({{"max_steps", 7}}, {flag("epochs", "3")}).options;
  EXPECT_EQ(epochs.at("max_steps"), nullptr);
  EXPECT_EQ(epochs.at("epochs"), 3);
}

const Json kNothing = Json::object();

// What a preset gives comes before a file and flags, and has no effect where these leave it no
// place.
Result resolve_preset(const Json& preset, const Json& file, const std::vector<FieldInput>& flags) {
  std::vector<FieldInput> inputs = json_inputs(preset, "preset");
  for (FieldInput& input : inputs) input.preset = true;
  for (const FieldInput& input : json_inputs(file, "run.json")) inputs.push_back(input);
  inputs.insert(inputs.end(), flags.begin(), flags.end());
  return resolve(inputs);
}

TEST(FieldConditions, PresetsComeBeforeTheFileAndTheFileBeforeFlags) {
  const Json preset = {{"epochs", 10}, {"svd", "fast"}, {"niter", 4}};
  EXPECT_EQ(resolve_preset(preset, kNothing, {}).options.at("epochs"), 10);
  EXPECT_EQ(resolve_preset(preset, kNothing, {}).options.at("niter"), 4);
  EXPECT_EQ(resolve_preset(preset, {{"epochs", 3}}, {}).options.at("epochs"), 3);
  // Also a default, which elsewhere does not count as given.
  EXPECT_EQ(resolve_preset(preset, {{"epochs", 1}}, {}).options.at("epochs"), 1);
  EXPECT_EQ(resolve_preset(preset, {{"epochs", 3}}, {flag("epochs", "5")}).options.at("epochs"), 5);
}

TEST(FieldConditions, PresetsGiveWayWhereTheyHaveNoPlace) {
  const Json preset = {{"epochs", 10}, {"svd", "fast"}, {"niter", 4}};
  const Json steps = resolve_preset(preset, {{"max_steps", 7}}, {}).options;
  EXPECT_EQ(steps.at("max_steps"), 7);
  EXPECT_EQ(steps.at("epochs"), 1);
  const Json exact = resolve_preset(preset, kNothing, {flag("svd", "exact")}).options;
  EXPECT_EQ(exact.at("niter"), fields_to_json(Options{}).at("niter"));
  const Json lora = resolve_preset(preset, kNothing, {flag("method", "lora")}).options;
  EXPECT_EQ(lora.at("method"), "lora");
  EXPECT_FALSE(lora.contains("niter"));
  // What is given beside it is judged as ever.
  EXPECT_THAT(resolve_preset(preset, kNothing, {flag("svd", "exact"), flag("niter", "5")}).refusal,
              HasSubstr("--niter: applies only with --svd fast"));
  EXPECT_THAT(resolve_preset({{"nitre", 4}}, kNothing, {}).refusal, HasSubstr("unknown option"));
}

TEST(FieldConditions, DocumentsSayWhenAnOptionApplies) {
  const auto text = [](const std::string& name) {
    for (const FieldInfo& info : describe_fields<Options>()) {
      if (info.name == name) return field_use_text(info);
    }
    return std::string("no such option");
  };
  EXPECT_EQ(text("niter"), "not with --adapter; only with --svd fast");
  EXPECT_EQ(text("rounds"), "only with --base; only with --method pissa or --repair");
  EXPECT_EQ(text("max_steps"), "instead of --epochs");
  EXPECT_EQ(text("base"), "");
}

}  // namespace field_condition_test
}  // namespace svtune
