// Which modules a configuration adapts, with which rank and scaling: PEFT's answer and ours.
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "adapter_files/adapter_config.h"
#include "adapters/low_rank/peft_lora.h"
#include "attach/target_modules.h"
#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace peft_targets_test {

using test::TempDirectory;

// What svtune makes of one configuration, in the form the oracle prints.
Json outcome(Network& net, const Json& json) {
  Json result = Json::object();
  try {
    std::vector<std::string> warnings;
    const PeftConfig config = parse_peft_config(json, "config", warnings);
    PeftKeys keys(json, "config", warnings);
    const PeftLoraKeys lora = read_peft_lora(keys);
    const TargetSelection selection = select_targets(net, config.targets);
    result["layers"] = Json::object();
    for (const std::string& name : selection.adapted) {
      const auto rank = static_cast<double>(lora.rank_of(name));
      result["layers"][name] = {lora.rank_of(name),
                                lora.alpha_of(name) / (lora.rslora ? std::sqrt(rank) : rank)};
    }
    // The same through svtune's own options, whose patterns are sorted.
    const LowRankConfig own = low_rank_config(lora, selection.adapted);
    for (const std::string& name : selection.adapted) {
      const LayerSite site{name, BaseWeight(at::zeros({64, 64})), 0};
      const LowRankShape shape = low_rank_shape(own, site);
      EXPECT_EQ(shape.rank, lora.rank_of(name)) << json.dump() << " " << name;
      EXPECT_EQ(shape.alpha, lora.alpha_of(name)) << json.dump() << " " << name;
    }
    result["embedding"] = selection.embedding;
    result["saved"] = selection.saved;
  } catch (const Error& error) {
    return {{"error", error.what()}};
  }
  return result;
}

void expect_same(const Json& peft, const Json& own) {
  const std::string label = peft["config"].dump();
  ASSERT_EQ(peft.contains("error"), own.contains("error"))
      << label << "\nPEFT: " << peft.dump() << "\nsvtune: " << own.dump();
  if (peft.contains("error")) return;
  // Compared without order: PEFT lists modules in the order of their definition.
  EXPECT_EQ(nlohmann::json(peft["layers"]).size(), own["layers"].size()) << label;
  for (const auto& [name, value] : peft["layers"].items()) {
    ASSERT_TRUE(own["layers"].contains(name)) << label << " lacks " << name;
    EXPECT_EQ(own["layers"][name][0], value[0]) << label << " " << name;
    EXPECT_DOUBLE_EQ(own["layers"][name][1].get<double>(), value[1].get<double>()) << label;
  }
  EXPECT_EQ(own["embedding"], peft["embedding"]) << label;
  const auto as_set = [](const Json& list) {
    const auto names = list.get<std::vector<std::string>>();
    return std::set<std::string>(names.begin(), names.end());
  };
  EXPECT_EQ(as_set(own["saved"]), as_set(peft["saved"])) << label;
}

TEST(TargetModulesOracle, EqualPeftOnRandomConfigurations) {
  const std::string python = test::oracle_python("peft,transformers");
  if (python.empty()) GTEST_SKIP() << "no Python with peft and transformers";
  TempDirectory directory;
  test::write_tiny_model(directory / "m", {.family = "qwen3"});
  Model model = load_model(directory / "m");
  const auto run = test::run_command(
      test::shell_quote(python) + " " SVTUNE_SOURCE_DIR "/tests/oracle/peft_fuzz.py " +
      test::shell_quote((directory / "m").string()) + " 400 20 2>&1");
  ASSERT_EQ(run.status, 0) << run.output;
  std::istringstream lines(run.output);
  std::string line;
  int cases = 0, matched = 0;
  while (std::getline(lines, line)) {
    if (!line.starts_with("{\"config\"")) continue;
    const Json peft = parse_json(line, "oracle");
    expect_same(peft, outcome(*model.net, peft["config"]));
    ++cases;
    if (!peft.contains("error")) ++matched;
  }
  EXPECT_EQ(cases, 400);
  EXPECT_GT(matched, 150);
}

}  // namespace peft_targets_test
}  // namespace svtune
