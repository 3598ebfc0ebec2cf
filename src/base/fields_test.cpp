// Options of every supported type through JSON and command-line texts, and what is refused.
#include "base/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/errors.h"

namespace svtune {
namespace fields_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

enum class Schedule { kCosine, kLinear };
inline constexpr EnumName<Schedule> kScheduleNames[] = {{Schedule::kCosine, "cosine", "half wave"},
                                                        {Schedule::kLinear, "linear"}};
constexpr std::span<const EnumName<Schedule>> enum_names(Schedule) { return kScheduleNames; }

struct Lora {
  static constexpr std::string_view kName = "lora";
  static constexpr std::string_view kSummary = "low rank";
  std::int64_t rank = 16;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.rank, {.name = "rank", .help = "Rank", .min = 1, .max = 65536});
  }
};

struct Pissa {
  static constexpr std::string_view kName = "pissa";
  static constexpr std::string_view kSummary = "principal singular vectors";
  Lora lora;
  std::int64_t iterations = 4;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("", self.lora);
    visit(self.iterations, {.name = "svd_iterations", .help = "Passes", .min = 0});
  }
};

struct Rates {
  double learning_rate = 2e-4;
  float dropout = 0.0f;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.learning_rate, {.name = "learning_rate", .help = "Peak rate", .above = 0});
    visit(self.dropout, {.name = "dropout", .help = "Dropout", .min = 0, .below = 1});
  }
};

struct Options {
  std::filesystem::path model;
  std::string name = "run";
  bool packing = true;
  std::uint64_t seed = 0;
  std::optional<std::int64_t> max_steps;
  std::optional<std::string> note;
  std::vector<std::string> target_modules = {"q_proj"};
  std::vector<std::int64_t> layers;
  std::map<std::string, double> alpha_pattern;
  Schedule schedule = Schedule::kCosine;
  Rates rates;
  std::variant<Lora, Pissa> adapter;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.model, {.name = "model", .help = "Model", .required = true});
    visit(self.name, {.name = "name", .help = "Name"});
    visit(self.packing, {.name = "packing", .help = "Pack"});
    visit(self.seed, {.name = "seed", .help = "Seed"});
    visit(self.max_steps, {.name = "max_steps", .help = "Steps", .unit = "steps", .min = 1});
    visit(self.note, {.name = "note", .help = "Note"});
    visit(self.target_modules, {.name = "target_modules", .help = "Targets"});
    visit(self.layers, {.name = "layers", .help = "Layers", .min = 0});
    visit(self.alpha_pattern, {.name = "alpha_pattern", .help = "Alphas", .above = 0});
    visit(self.schedule, {.name = "schedule", .help = "Schedule"});
    visit.group("Optimiser", self.rates);
    visit.choice(self.adapter, {.name = "method", .help = "Method"});
  }
};

std::string failure(const Json& json) {
  Options options;
  try {
    fields_from_json(options, json, "run.json");
  } catch (const UsageError& error) {
    return std::string(error.what()) + " | " + error.hint();
  }
  return "accepted";
}

Json from_text(const FieldInfo& info, const std::vector<std::string>& texts) {
  return parse_field_text(info, texts);
}

FieldInfo info_of(const std::string& name) {
  for (const FieldInfo& info : describe_fields<Options>()) {
    if (info.name == name) return info;
  }
  throw std::out_of_range(name);
}

TEST(Fields, SizesAreTextsOrBytes) {
  struct Limits {
    std::optional<std::int64_t> memory;
    static void fields(Limits& self, FieldLister& visit) {
      visit(self.memory, {.name = "memory", .help = "Most", .min = 1024, .is_size = true});
    }
  };
  const auto given = [](const Json& json) {
    Limits limits;
    fields_from_json(limits, {{"memory", json}}, "run.json");
    return limits.memory;
  };
  EXPECT_EQ(given("4G"), 4ll << 30);
  EXPECT_EQ(given(4096), 4096);
  EXPECT_EQ(given(nullptr), std::nullopt);
  EXPECT_EQ(parse_field_text(describe_fields<Limits>()[0], {"1.5 MiB"}), Json(1572864));
  for (const Json& wrong : {Json("4 elephants"), Json("1B"), Json(1.5), Json(12)}) {
    EXPECT_THROW(given(wrong), UsageError) << wrong;
  }
}

TEST(Fields, AFormerNameNamesAllThatItHasBecome) {
  struct Codes {
    std::string type, start;
    static void fields(Codes& self, FieldLister& visit) {
      visit(self.type, {.name = "base_dtype", .help = "Codes", .former = "method"});
      visit(self.start, {.name = "start", .help = "Start", .former = "method"});
    }
  };
  const std::vector<FieldInfo> known = describe_fields<Codes>();
  EXPECT_EQ(renamed_text(known, "--method"), "--method is --base-dtype and --start now");
  EXPECT_EQ(renamed_text(known, "--start"), "");
}

TEST(Fields, EveryTypeSurvivesJson) {
  Options options;
  options.model = "models/smol";
  options.packing = false;
  options.seed = 18446744073709551615u;
  options.max_steps = 7;
  options.note = "x < y";
  options.target_modules = {"k_proj", "v_proj"};
  options.layers = {0, 3};
  options.alpha_pattern = {{"layers.0", 8.5}};
  options.schedule = Schedule::kLinear;
  options.rates.dropout = 0.25f;
  options.adapter = Pissa{{32}, 2};
  const Json json = fields_to_json(options);
  Options loaded;
  fields_from_json(loaded, parse_json(dump_json(json, 2), "saved"), "saved");
  EXPECT_EQ(fields_to_json(loaded), json);
  EXPECT_EQ(loaded.seed, 18446744073709551615u);
  EXPECT_EQ(loaded.alpha_pattern.at("layers.0"), 8.5);
  EXPECT_EQ(std::get<Pissa>(loaded.adapter).lora.rank, 32);
}

TEST(Fields, JsonIsFlatAndInOrderOfDeclaration) {
  EXPECT_EQ(dump_json(fields_to_json(Options()), -1),
            R"({"model": "", "name": "run", "packing": true, "seed": 0, "max_steps": null, )"
            R"("note": null, "target_modules": ["q_proj"], "layers": [], "alpha_pattern": {}, )"
            R"("schedule": "cosine", "learning_rate": 0.0002, "dropout": 0.0, "method": "lora", )"
            R"("rank": 16})");
}

TEST(Fields, AllProblemsAreNamedAtOnceWithTheNearestName) {
  EXPECT_EQ(failure({{"lerning_rate", 1}, {"rank", 0}, {"packing", 1}}),
            "3 problems: run.json: lerning_rate: unknown option; "
            "run.json: rank: got 0, allowed 1 to 65536; "
            "run.json: packing: got 1, need true or false | did you mean learning_rate?");
}

TEST(Fields, WrongValuesNameWhatIsAllowed) {
  EXPECT_THAT(failure({{"learning_rate", 0}}), HasSubstr("got 0, allowed > 0"));
  EXPECT_THAT(failure({{"dropout", 1.0}}), HasSubstr("got 1.0, allowed >= 0, < 1"));
  EXPECT_THAT(failure({{"rank", 2.5}}), HasSubstr("got 2.5, need an integer"));
  EXPECT_THAT(failure({{"seed", -1}}), HasSubstr("got -1, allowed 0 to 18446744073709551615"));
  EXPECT_THAT(failure({{"target_modules", {"q_proj", ""}}}), HasSubstr("item 2: got \"\", need"));
  EXPECT_THAT(failure({{"max_steps", 0}}), HasSubstr("got 0, allowed >= 1"));
  EXPECT_THAT(failure({{"max_steps", 9223372036854775808u}}),
              HasSubstr("allowed 1 to 9223372036854775807"));
  EXPECT_THAT(failure({{"seed", 1e30}}), HasSubstr("need an integer"));
  EXPECT_THAT(failure({{"schedule", "cosin"}}),
              HasSubstr("got \"cosin\", allowed cosine, linear (did you mean cosine?)"));
  EXPECT_THAT(failure({{"layers", {1, -2}}}), HasSubstr("layers: item 2: got -2, allowed >= 0"));
  EXPECT_THAT(failure({{"alpha_pattern", {{"a", 0}}}}), HasSubstr("a: got 0, allowed > 0"));
  EXPECT_THAT(failure({{"name", nullptr}}), HasSubstr("got null, need a string"));
  EXPECT_THAT(failure(Json::array()), HasSubstr("run.json: got array, need an object"));
  EXPECT_EQ(failure({{"rank", 8.0}}), "accepted");
}

TEST(Fields, NothingChangesWhenOneValueIsWrong) {
  Options options;
  EXPECT_THROW(fields_from_json(options, {{"name", "b"}, {"rank", 0}}, "run.json"), UsageError);
  EXPECT_EQ(options.name, "run");
}

TEST(Fields, ChoiceDecidesWhichOptionsExist) {
  Options options;
  fields_from_json(options, {{"svd_iterations", 9}, {"method", "pissa"}}, "run.json");
  EXPECT_EQ(std::get<Pissa>(options.adapter).iterations, 9);
  EXPECT_EQ(failure({{"svd_iterations", 9}}),
            "run.json: svd_iterations: no option of --method lora | it belongs to --method pissa");
}

TEST(Fields, DescriptionListsOptionsOfAllAlternativesOnce) {
  std::vector<std::string> names;
  for (const FieldInfo& info : describe_fields<Options>()) names.push_back(info.name);
  EXPECT_THAT(names, ElementsAre("model", "name", "packing", "seed", "max_steps", "note",
                                 "target_modules", "layers", "alpha_pattern", "schedule",
                                 "learning_rate", "dropout", "method", "rank", "svd_iterations"));
  EXPECT_THAT(info_of("rank").owner_values, ElementsAre("lora", "pissa"));
  EXPECT_EQ(info_of("learning_rate").group, "Optimiser");
}

enum class Wet { kInk, kWater };
constexpr EnumName<Wet> kWetNames[] = {{Wet::kInk, "ink"}, {Wet::kWater, "water"}};
constexpr std::span<const EnumName<Wet>> enum_names(Wet) { return kWetNames; }
enum class Dry { kInk, kChalk };
constexpr EnumName<Dry> kDryNames[] = {{Dry::kInk, "ink"}, {Dry::kChalk, "chalk"}};
constexpr std::span<const EnumName<Dry>> enum_names(Dry) { return kDryNames; }

template <class Colour>
struct Pen {
  static constexpr std::string_view kName = std::is_same_v<Colour, Wet> ? "brush" : "board";
  static constexpr std::string_view kSummary = "a pen";
  Colour colour = Colour::kInk;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.colour, {.name = "colour", .help = "Colour"});
  }
};

struct Drawing {
  std::variant<Pen<Wet>, Pen<Dry>> pen;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.choice(self.pen, {.name = "pen", .help = "Pen"});
  }
};

TEST(Fields, OptionsWithOtherValuesStayApart) {
  std::vector<std::string> owners;
  for (const FieldInfo& info : describe_fields<Drawing>()) {
    if (info.name == "colour") owners.push_back(info.owner_values.at(0) + info.choices[1].name);
  }
  EXPECT_THAT(owners, ElementsAre("brushwater", "boardchalk"));
}

TEST(Fields, TextsBecomeTypedValues) {
  EXPECT_EQ(from_text(info_of("rank"), {"8"}), 8);
  EXPECT_EQ(from_text(info_of("seed"), {"18446744073709551615"}), 18446744073709551615u);
  EXPECT_EQ(from_text(info_of("learning_rate"), {"1e-3"}), 1e-3);
  EXPECT_EQ(from_text(info_of("learning_rate"), {"nan"}), "nan");
  EXPECT_EQ(from_text(info_of("packing"), {"false"}), false);
  EXPECT_EQ(from_text(info_of("max_steps"), {"none"}), nullptr);
  EXPECT_EQ(from_text(info_of("note"), {""}), nullptr);
  EXPECT_EQ(from_text(info_of("target_modules"), {"a,b", "c"}), (Json{"a", "b", "c"}));
  EXPECT_EQ(from_text(info_of("target_modules"), {""}), Json::array());
  EXPECT_EQ(from_text(info_of("layers"), {"1,2"}), (Json{1, 2}));
  EXPECT_EQ(from_text(info_of("alpha_pattern"), {"a=b=2,c=3"}), (Json{{"a=b", 2}, {"c", 3}}));
  EXPECT_EQ(check_field(info_of("rank"), from_text(info_of("rank"), {"8x"})),
            "got \"8x\", need an integer");
  EXPECT_EQ(check_field(info_of("alpha_pattern"), from_text(info_of("alpha_pattern"), {"a"})),
            "got \"a\", need pairs of name and value");
  EXPECT_EQ(from_text(info_of("alpha_pattern"), {"a=2", "a=2"}), (Json{{"a", 2}}));
  EXPECT_EQ(check_field(info_of("alpha_pattern"),
                        from_text(info_of("alpha_pattern"), {"a=2,b=1", "a=3"})),
            "a: got 2 and 3, need one value");
}

TEST(Fields, RequiredMeansNotEmpty) {
  Options options;
  EXPECT_THAT(missing_fields(list_fields(options)), ElementsAre("--model"));
  options.model = "m";
  EXPECT_TRUE(missing_fields(list_fields(options)).empty());
}

TEST(Fields, NameTakenTwiceIsAProgrammersError) {
  int member = 0;
  FieldLister lister;
  lister(member, {.name = "a", .help = ""});
  EXPECT_THROW(lister(member, {.name = "a", .help = ""}), std::logic_error);
}

}  // namespace fields_test
}  // namespace svtune
