// Includes every public header and calls all of the library's verbs, so that a missing header, a
// missing object or a missing dependency of the package shows.
//   usage: consumer MODEL ADAPTER MERGED DATA RUN    (MERGED and RUN are directories to create)
#include <svtune/errors.h>
#include <svtune/fine_tune.h>
#include <svtune/memory.h>
#include <svtune/session.h>
#include <svtune/svtune.h>
#include <svtune/version.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>

namespace {

void require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error("consumer: " + what);
}

float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  require(a.size() == b.size(), "two scores of the same ids differ in length");
  float largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

// Runs what must fail and checks how.
template <class Action>
void require_error(svtune::ErrorKind kind, const std::string& named, Action action) {
  try {
    action();
  } catch (const std::exception& error) {
    require(svtune::describe_error(error).kind == kind, std::string("wrong kind: ") + error.what());
    require(std::string(error.what()).find(named) != std::string::npos,
            "the error does not name " + named + ": " + error.what());
    return;
  }
  throw std::runtime_error("consumer: no error that names " + named);
}

// Stops after two steps, goes on to the end, and uses what came out.
void train(const std::string& model, const std::string& data, const std::string& run) {
  svtune::FineTuneOptions options{.model = model, .data = data, .output = run, .method = "lora"};
  options.settings = {{"template", "raw"},      {"rank", "2"},
                      {"max_steps", "5"},       {"gradient_accumulation", "1"},
                      {"learning_rate", "0.1"}, {"samples", "1"}};
  require_error(svtune::ErrorKind::kUsage, "rnak", [&] {
    svtune::FineTuneOptions wrong = options;
    wrong.settings["rnak"] = "3";
    svtune::fine_tune(wrong);
  });
  std::vector<double> losses;
  const auto first = svtune::fine_tune(options, [&](const svtune::FineTuneStep& step) {
    losses.push_back(step.loss);
    return step.step < 2;
  });
  require(first.stopped && first.steps == 2 && losses.size() == 2,
          "the observer cannot stop a run");
  require(first.base_loss && first.start_loss == first.base_loss, "LoRA starts off the base model");
  require(first.trainable_parameters > 0 && first.trainable_parameters < first.total_parameters,
          "the counts of parameters make no sense");
  require_error(svtune::ErrorKind::kFile, run, [&] { svtune::fine_tune(options); });
  options.resume = true;
  const auto rest = svtune::fine_tune(options, [&](const svtune::FineTuneStep& step) {
    losses.push_back(step.loss);
    return true;
  });
  require(!rest.stopped && rest.steps == 5 && losses.size() == 5, "the run does not go on");
  require(rest.last_loss == losses.back() && losses.back() < losses.front(), "nothing was learned");
  require(std::filesystem::exists(rest.report), "there is no report");
  svtune::Session session({.model = model, .adapter = rest.trained});
}

// The figures of both tasks, and options that do not belong to one.
void evaluate(svtune::Session& session, const std::string& data) {
  std::ofstream(data) << R"({"prompt": "3 + 4", "completion": "The answer is: 7"}
{"prompt": "1 + 1", "completion": "The answer is: 2"}
{"prompt": "2 + 5", "completion": "The answer is: 7"}
)";
  const auto loss = session.evaluate(
      {.data = data, .settings = {{"template", "raw"}, {"limit", "3"}, {"batch_size", "2"}}});
  require(loss.figures.at("loss") > 0 && loss.figures.at("tokens") > 0, "there is no loss");
  require(std::abs(std::log(loss.figures.at("perplexity")) - loss.figures.at("loss")) < 1e-9,
          "the perplexity is not that of the loss");
  const auto exact = session.evaluate(
      {.data = data,
       .task = "exact-match",
       .settings = {{"template", "raw"}, {"limit", "3"}, {"max_new_tokens", "2"}}});
  require(exact.figures.at("questions") == 3, "three questions were asked");
  require_error(svtune::ErrorKind::kUsage, "max_length", [&] {
    session.evaluate({.data = data, .task = "exact-match", .settings = {{"max_length", "9"}}});
  });
  require_error(svtune::ErrorKind::kUsage, "data",
                [&] { session.evaluate({.data = data, .settings = {{"data", "other"}}}); });
}

}  // namespace

int main(int argc, char** argv) try {
  require(argc == 6, "usage: consumer MODEL ADAPTER MERGED DATA RUN");
  std::cout << "svtune " << svtune::version() << "\n";
  require_error(svtune::ErrorKind::kFile, "no/such/model",
                [] { svtune::Session session({.model = "no/such/model"}); });

  const std::vector<std::vector<std::int32_t>> ids = {{1, 2, 0, 2}, {2, 1}};
  const auto fp32 = svtune::ComputeType::kFp32;
  svtune::Session base({.model = argv[1], .compute = fp32});
  svtune::Session adapted({.model = argv[1], .adapter = argv[2], .compute = fp32});
  require_error(svtune::ErrorKind::kUsage, "adapter", [&] { base.merge(argv[3]); });
  require_error(svtune::ErrorKind::kUsage, "top_p", [&] { base.answer({"a"}, {.top_p = 2}); });
  require_error(svtune::ErrorKind::kModel, "99999", [&] { base.score({{0, 99999}}); });
  const auto before = base.score(ids);
  const auto after = adapted.score(ids);
  require(before.size() == 2 && before[0].size() == 3 && before[1].size() == 1,
          "a score has another length than ids less one");
  require(largest_difference(before[0], after[0]) > 1e-3F, "the adapter changes nothing");

  svtune::Session several({.model = argv[1], .adapters = {{"own", argv[2]}}, .compute = fp32});
  const auto mixed = several.score({ids[0], ids[0]}, {"own", std::nullopt});
  require(largest_difference(mixed[0], after[0]) < 1e-5F, "a named adapter scores otherwise");
  require(largest_difference(mixed[1], before[0]) < 1e-5F, "no name is not the model alone");
  require_error(svtune::ErrorKind::kUsage, "other", [&] { several.score({ids[1]}, {"other"}); });

  const svtune::MergeSummary merged = adapted.merge(argv[3]);
  require(merged.largest > 0 && merged.bytes > 0, "merging reports no change");
  svtune::Session whole({.model = argv[3], .compute = fp32});
  // Both compute in fp32; the order of the sums differs.
  require(largest_difference(whole.score(ids)[0], after[0]) < 1e-5F,
          "the merged model scores otherwise than the adapted one");

  require(base.decode(base.encode("a b", false)) == "a b", "decoding does not undo encoding");
  const svtune::AnswerOptions options{.max_new_tokens = 4, .temperature = 1, .raw_prompt = true};
  std::string streamed;
  const auto answers =
      base.answer({"ab"}, options, [&](std::size_t, std::string_view text) { streamed += text; });
  require(answers.size() == 1 && answers[0] == streamed, "the streamed answer differs");
  require(base.answer({"ab"}, options) == answers, "the same seed answers otherwise");
  evaluate(base, std::string(argv[5]) + ".questions.jsonl");
  train(argv[1], argv[4], argv[5]);
  std::cout << "all verbs work\n";
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
