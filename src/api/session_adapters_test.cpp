// Several adapters in one session, against a session of each alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "adapter_files/adapter_file.h"
#include "attach/attach.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"
#include "svtune/session.h"
#include "text/tokenizer_test_util.h"

namespace svtune {
namespace session_adapters_test {

using ::testing::HasSubstr;

constexpr auto kFp32 = ComputeType::kFp32;
// Products of fewer rows may sum in another order, through three blocks and a softmax.
constexpr double kTolerance = 1e-4;

class SessionAdapters : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = new test::TempDirectory;
    test::write_tiny_model(base(), {});
    Json tokenizer = test::small_tokenizer_json();
    for (std::int64_t id = 8; id < test::kTinyVocab; ++id) {
      tokenizer["model"]["vocab"]["w" + std::to_string(id)] = id;
    }
    write_file_atomic(base() / "tokenizer.json", dump_json(tokenizer));
    save("lora", LoraConfig{.low_rank = {.rank = 3}}, 5);
    save("dora", DoraConfig{.low_rank = {.rank = 2}}, 6);
  }
  static void TearDownTestSuite() {
    delete directory_;
    directory_ = nullptr;
  }

  static std::filesystem::path base() { return *directory_ / "base"; }

  static void save(const std::string& name, const MethodConfig& method, std::uint64_t seed) {
    Model model = load_model(base());
    const Attached attached =
        attach(model, method, {.target_modules = {"all-linear"}}, {.seed = seed});
    test::disturb(attached.adapters, 0.3, seed);
    save_adapter(model, attached.adapters, attached.record, *directory_ / name);
  }

  static Session mixed() {
    return Session({.model = base(),
                    .adapters = {{"a", *directory_ / "lora"}, {"b", *directory_ / "dora"}},
                    .compute = kFp32});
  }

  // A session of the adapter "a" or "b" alone, or of the model alone.
  static Session alone(const AdapterName& name) {
    SessionOptions options{.model = base(), .compute = kFp32};
    if (name) options.adapter = *directory_ / (*name == "a" ? "lora" : "dora");
    return Session(options);
  }

  static std::filesystem::path write_rows(const std::vector<Json>& rows) {
    std::string text;
    for (const Json& row : rows) text += dump_json(row) + "\n";
    write_file_atomic(*directory_ / "rows.jsonl", text);
    return *directory_ / "rows.jsonl";
  }

  static double loss(Session session, const std::vector<Json>& rows, const std::string& name = "") {
    const EvaluateOptions options{
        .data = write_rows(rows), .settings = {{"template", "raw"}}, .adapter = name};
    return session.evaluate(options).figures.at("loss");
  }

  static inline test::TempDirectory* directory_ = nullptr;
};

const std::vector<AdapterName> kNames = {"b", std::nullopt, "a", "b"};

TEST_F(SessionAdapters, EverySequenceScoresUnderTheOneItNames) {
  const std::vector<std::vector<std::int32_t>> texts(kNames.size(), {1, 6, 30, 41, 2, 17});
  Session session = mixed();
  const auto got = session.score(texts, kNames);
  double spread = 0;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    const auto wanted = alone(kNames[i]).score({texts[i]})[0];
    for (std::size_t t = 0; t < wanted.size(); ++t) {
      EXPECT_NEAR(got[i][t], wanted[t], kTolerance) << i << ", token " << t;
      spread = std::max<double>(spread, std::abs(got[0][t] - wanted[t]));
    }
  }
  EXPECT_GT(spread, 0.05) << "the adapters do the same: nothing was tested";
  EXPECT_EQ(session.score({texts[0]}), session.score({texts[0]}, {"a"})) << "not the first";
}

TEST_F(SessionAdapters, EveryPromptIsAnsweredByTheOneItNames) {
  AnswerOptions options{.max_new_tokens = 12, .raw_prompt = true};
  std::vector<std::string> wanted;
  for (const AdapterName& name : kNames) {
    wanted.push_back(alone(name).answer({"abc"}, options)[0]);
  }
  EXPECT_NE(wanted[0], wanted[2]) << "the adapters answer alike: nothing was tested";
  options.adapters = kNames;
  const std::vector<std::string> prompts(kNames.size(), "abc");
  EXPECT_EQ(mixed().answer(prompts, options), wanted);
}

TEST_F(SessionAdapters, ExamplesAreEvaluatedUnderTheirOwnElseUnderTheNamedOne) {
  const Json plain = {{"prompt", "a"}, {"completion", "bc ab"}};
  Json own = plain, none = plain;
  own["adapter"] = "a";
  none["adapter"] = nullptr;
  const double a = loss(alone("a"), {plain}), b = loss(alone("b"), {plain});
  const double model = loss(alone(std::nullopt), {plain});
  EXPECT_GT(std::abs(a - b), 0.01) << "the adapters do the same: nothing was tested";
  EXPECT_NEAR(loss(mixed(), {plain}), a, kTolerance);
  EXPECT_NEAR(loss(mixed(), {plain}, "b"), b, kTolerance);
  EXPECT_NEAR(loss(mixed(), {plain, own, none}, "b"), (a + b + model) / 3, kTolerance);
}

template <class Action>
void expect_refusal(const std::string& named, Action action) {
  try {
    action();
    FAIL() << "not refused: " << named;
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr(named));
  }
}

TEST_F(SessionAdapters, NamesThatAreNoneAndChoicesWithoutNamesAreRefused) {
  Session session = mixed(), one = alone("a");
  expect_refusal("\"c\"", [&] { session.score({{1, 2}}, {"c"}); });
  expect_refusal("got 1 names for 2 texts", [&] { session.score({{1, 2}, {2, 1}}, {"a"}); });
  expect_refusal("AnswerOptions::adapters", [&] { one.answer({"ab"}, {.adapters = {"a"}}); });
  expect_refusal("EvaluateOptions::adapter", [&] { one.evaluate({.data = "x", .adapter = "a"}); });
  expect_refusal("which one", [&] { session.merge(*directory_ / "merged"); });
  const std::filesystem::path lora = *directory_ / "lora";
  expect_refusal("two are called \"a\"",
                 [&] { Session({.model = base(), .adapters = {{"a", lora}, {"a", lora}}}); });
  expect_refusal("has no name", [&] { Session({.model = base(), .adapters = {{"", lora}}}); });
  expect_refusal("does not go with",
                 [&] { Session({.model = base(), .adapter = lora, .adapters = {{"a", lora}}}); });
}

}  // namespace session_adapters_test
}  // namespace svtune
