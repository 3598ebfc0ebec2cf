// Documents of one batch with adapters of their own, against a run of each alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapter_files/loaded_model.h"
#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "infer/generate.h"
#include "infer/score.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"
#include "nn/row_route.h"

namespace svtune {
namespace mixed_batch_test {

using ::testing::HasSubstr;

using Sequences = std::vector<std::vector<std::int32_t>>;

Sequences texts(std::size_t count) {
  Xoshiro256 random(3);
  Sequences list(count);
  for (std::vector<std::int32_t>& ids : list) {
    ids.resize(2 + random.bounded(9));
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random.bounded(test::kTinyVocab));
  }
  return list;
}

struct Kind {
  std::string name;
  MethodConfig method;
  std::vector<std::string> targets = {"all-linear"};
};

// Different ranks, layers and forms of the forward pass.
std::vector<Kind> kinds() {
  OftConfig oft;
  oft.block_size = 8;
  return {{"lora", LoraConfig{.low_rank = {.rank = 3}}},
          {"pissa", PissaConfig{.low_rank = {.rank = 4}}, {"q_proj", "o_proj"}},
          {"dora", DoraConfig{.low_rank = {.rank = 2}}},
          {"oft", oft, {"q_proj", "v_proj"}},
          {"svft", SvftConfig{}, {"k_proj"}},
          {"head", LoraConfig{.low_rank = {.rank = 2}}, {"lm_head", "v_proj"}}};
}

class MixedBatch : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    test::write_tiny_model(base(), {.family = GetParam()});
    for (const Kind& kind : kinds()) save(kind);
    for (const Kind& kind : kinds()) list_.push_back({kind.name, directory_ / kind.name, true});
  }

  std::filesystem::path base() const { return directory_ / "base"; }

  void save(const Kind& kind, const TargetOptions& more = {}) {
    Model model = load_model(base());
    TargetOptions targets = more;
    targets.target_modules = kind.targets;
    Attached attached = attach(model, kind.method, targets, {.seed = 5});
    test::disturb(attached.adapters, 0.1);
    save_adapter(model, attached.adapters, attached.record, directory_ / kind.name);
  }

  // The texts of one adapter, or of none, in a model that knows no other.
  std::vector<std::vector<float>> alone(std::int32_t adapter, const Sequences& sequences) {
    std::optional<std::filesystem::path> path;
    if (adapter != kNoAdapter) path = list_[static_cast<std::size_t>(adapter)].path;
    LoadedModel loaded = load_with_adapter(base(), path, {.dtype = at::kFloat});
    return score_sequences(*loaded.model.net, sequences);
  }

  test::TempDirectory directory_;
  std::vector<NamedPath> list_;
};

// fp32: a product of fewer rows may sum in another order, through three blocks and a softmax.
TEST_P(MixedBatch, EveryDocumentScoresAsItDoesAlone) {
  LoadedModel mixed = load_with_adapters(base(), list_, {.dtype = at::kFloat});
  const Sequences sequences = texts(21);
  std::vector<std::int32_t> adapters;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    adapters.push_back(static_cast<std::int32_t>(i % (list_.size() + 1)) - 1);
  }
  const auto got = score_sequences(*mixed.model.net, sequences, 2048, adapters);
  double spread = 0;
  for (std::int32_t a = kNoAdapter; a < static_cast<std::int32_t>(list_.size()); ++a) {
    const auto wanted = alone(a, sequences);
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      for (std::size_t t = 0; t < wanted[i].size(); ++t) {
        const double difference = std::abs(got[i][t] - wanted[i][t]);
        if (adapters[i] == a) {
          EXPECT_LT(difference, 1e-4) << "adapter " << a << ", text " << i << ", token " << t;
        } else {
          spread = std::max(spread, difference);
        }
      }
    }
  }
  EXPECT_GT(spread, 0.05) << "the adapters do the same: nothing was tested";
}

TEST_P(MixedBatch, OneAdapterForAllHasTheBitsOfThatAdapterAlone) {
  list_.pop_back();  // with an adapter on it, the head's loss takes another way for all
  LoadedModel mixed = load_with_adapters(base(), list_, {.dtype = at::kFloat});
  const Sequences sequences = texts(5);
  for (std::int32_t a = kNoAdapter; a < static_cast<std::int32_t>(list_.size()); ++a) {
    EXPECT_EQ(score_sequences(*mixed.model.net, sequences, 2048,
                              std::vector<std::int32_t>(sequences.size(), a)),
              alone(a, sequences))
        << a;
  }
  // Nothing named: the first.
  EXPECT_EQ(score_sequences(*mixed.model.net, sequences), alone(0, sequences));
}

TEST_P(MixedBatch, EveryPromptIsAnsweredAsItIsAlone) {
  LoadedModel mixed = load_with_adapters(base(), list_, {.dtype = at::kFloat});
  const Sequences prompts = texts(9);
  GenerateOptions options;
  options.max_new_tokens = 12;
  options.end_tokens = {7, 8, 9};  // some end before others
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    options.adapters.push_back(static_cast<std::int32_t>(i % (list_.size() + 1)) - 1);
  }
  const std::vector<Generated> got = generate(*mixed.model.net, prompts, options);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    std::optional<std::filesystem::path> path;
    const std::int32_t a = options.adapters[i];
    if (a != kNoAdapter) path = list_[static_cast<std::size_t>(a)].path;
    LoadedModel loaded = load_with_adapter(base(), path, {.dtype = at::kFloat});
    GenerateOptions one = options;
    one.adapters = {};
    one.first_index = i;
    EXPECT_EQ(got[i].ids, generate(*loaded.model.net, {prompts[i]}, one)[0].ids) << i;
  }
}

// A mixture's experts see a choice of the rows.
INSTANTIATE_TEST_SUITE_P(Families, MixedBatch, ::testing::Values("llama", "mixtral"),
                         [](const auto& info) { return info.param; });

class Adapters : public MixedBatch {};

TEST_P(Adapters, RowsNameThem) {
  const LoadedModel loaded = load_with_adapters(base(), list_, {.dtype = at::kFloat});
  EXPECT_EQ(loaded.adapter_of({{"adapter", "pissa"}}, "x:1"), 1);
  EXPECT_EQ(loaded.adapter_of(Json::object(), "x:1"), 0);
  EXPECT_EQ(loaded.adapter_of({{"adapter", nullptr}}, "x:1"), kNoAdapter);
  for (const Json& wrong : {Json("pisa"), Json(1)}) {
    try {
      loaded.adapter_of({{"adapter", wrong}}, "data.jsonl:4");
      FAIL() << wrong;
    } catch (const FileError& error) {
      EXPECT_THAT(error.what(), HasSubstr("data.jsonl:4"));
      EXPECT_THAT(error.what(), HasSubstr("lora, pissa, dora"));
    }
  }
}

TEST_P(Adapters, OfWholeTensorsAreRefused) {
  TargetOptions targets;
  targets.modules_to_save = {"norm"};
  save({"norms", LoraConfig{}, {"q_proj"}}, targets);
  list_.push_back({"norms", directory_ / "norms", true});
  try {
    load_with_adapters(base(), list_, {.dtype = at::kFloat});
    FAIL() << "loaded";
  } catch (const FileError& error) {
    EXPECT_THAT(error.what(), HasSubstr("norms: trains model."));
  }
}

INSTANTIATE_TEST_SUITE_P(Llama, Adapters, ::testing::Values("llama"),
                         [](const auto& info) { return info.param; });

TEST(NamedPaths, AreNamedByTheUserOrAfterTheirDirectories) {
  const auto list = parse_named_paths({"a=x/y", "runs/sums/adapter", "plain/"}, "--adapter");
  EXPECT_EQ(names_of(list), (std::vector<std::string>{"a", "sums", "plain"}));
  EXPECT_EQ(list[0].path, "x/y");
  EXPECT_TRUE(list[0].named);
  EXPECT_FALSE(list[1].named);
  EXPECT_EQ(index_of_name(list, "sums", "--weight"), 1u);
  EXPECT_THROW(index_of_name(list, "sum", "--weight"), UsageError);
  EXPECT_THROW(parse_named_paths({"a=x", "a=y"}, "--adapter"), UsageError);
  EXPECT_THROW(parse_named_paths({"=x"}, "--adapter"), UsageError);
  EXPECT_THROW(parse_named_paths({"a="}, "--adapter"), UsageError);
}

}  // namespace mixed_batch_test
}  // namespace svtune
