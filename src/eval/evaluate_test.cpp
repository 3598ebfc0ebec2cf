// The tasks on a small model and data made here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/errors.h"
#include "data/data_test_util.h"
#include "eval/tasks.h"
#include "infer/score.h"
#include "infer/tiny_decoder_test_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace evaluate_test {

using test::TempDirectory;
using test::tiny_decoder;

struct Pair {
  std::string prompt, completion;
};

// A store over pairs, written out raw.
struct Pairs {
  explicit Pairs(const std::vector<Pair>& pairs) {
    std::string lines;
    for (const auto& [prompt, completion] : pairs) {
      lines += dump_json({{"prompt", prompt}, {"completion", completion}}) + "\n";
    }
    write_file_atomic(directory / "pairs.jsonl", lines);
    PromptOptions raw;
    raw.style = PromptStyle::kRaw;
    const Tokenizer tokenizer = test::byte_tokenizer(false);
    const auto encoder = std::make_shared<ExampleEncoder>(tokenizer, PromptTemplate(raw, tokenizer),
                                                          EncodeOptions{});
    store = std::make_unique<ExampleStore>(directory / "pairs.jsonl", DataOptions{}, encoder);
  }
  TempDirectory directory;
  std::unique_ptr<ExampleStore> store;
};

EvalInput input_of(Network& net, const Pairs& pairs, EvalObserver& observer,
                   std::int64_t batch_size) {
  return {net, *pairs.store, pairs.store->size(), batch_size, {{test::kEos}, {}}, observer};
}

TEST(Perplexity, IsTheMeanOverTheAnswersTokensWhateverTheBatch) {
  const auto net = tiny_decoder();
  const Pairs pairs({{"ab", "cde"}, {"x", "yz"}, {"", "hello there"}, {"long prompt ", "q"}});
  double sum = 0;
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < pairs.store->size(); ++i) {
    const TokenizedExample example = *pairs.store->get(i);
    const auto scores = score_sequences(*net, {example.ids})[0];
    for (std::size_t t = 1; t < example.ids.size(); ++t) {
      if (!example.supervised[t]) continue;
      sum -= scores[t - 1];
      ++count;
    }
  }
  for (const std::int64_t batch_size : {1, 3, 32}) {
    EvalObserver silent;
    const Score score = run_task(Perplexity{}, input_of(*net, pairs, silent, batch_size));
    // fp32 log-probabilities from products of other shapes.
    EXPECT_NEAR(score.figure("loss"), sum / static_cast<double>(count), 1e-5) << batch_size;
    EXPECT_NEAR(score.figure("perplexity"), std::exp(score.figure("loss")), 1e-9);
    EXPECT_EQ(score.figure("tokens"), static_cast<double>(count));
    EXPECT_EQ(score.figures.front().name, "loss");
  }
}

TEST(Perplexity, RefusesALossThatIsNotFinite) {
  const auto net = tiny_decoder();
  net->embedding().weight().fill_(std::nan(""));
  const Pairs pairs({Pair{"ab", "cde"}});
  EvalObserver silent;
  EXPECT_THROW(run_task(Perplexity{}, input_of(*net, pairs, silent, 1)), RunError);
}

TEST(ExactMatch, CountsQuestionsAndWritesEveryAnswer) {
  const auto net = tiny_decoder();
  const Pairs pairs({{"one", "#### 1"}, {"two", "#### 2"}, {"three", "#### 3"}});
  ExactMatch task;
  task.answer.max_new_tokens = 4;
  task.answers = pairs.directory / "answers.jsonl";
  EvalObserver silent;
  const Score score = run_task(task, input_of(*net, pairs, silent, 2));
  EXPECT_EQ(score.figure("questions"), 3);
  EXPECT_EQ(score.figures.front().name, "accuracy");
  const std::string written = read_file(*task.answers, 1 << 20);
  EXPECT_EQ(std::count(written.begin(), written.end(), '\n'), 3);
  EXPECT_THAT(written, testing::HasSubstr(R"("prompt": "two", "reference": "#### 2")"));
}

}  // namespace evaluate_test
}  // namespace svtune
