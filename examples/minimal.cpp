// Answers a question, then shows how likely the model finds a sentence.
//   usage: minimal MODEL [ADAPTER]
#include <svtune/svtune.h>

#include <iostream>
#include <numeric>

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: minimal MODEL [ADAPTER]\n";
    return 2;
  }
  svtune::SessionOptions options;
  options.model = argv[1];
  if (argc > 2) options.adapter = argv[2];
  svtune::Session session(options);

  svtune::AnswerOptions answer;
  answer.max_new_tokens = 64;
  session.answer({"How many legs have three cats?"}, answer,
                 [](std::size_t, std::string_view piece) { std::cout << piece << std::flush; });

  const std::vector<float> scores = session.score({session.encode("Three cats have 12 legs.")})[0];
  std::cout << "\nlog-probability of a sentence: "
            << std::accumulate(scores.begin(), scores.end(), 0.0) << "\n";
  return 0;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << "\n";
  const std::string hint = svtune::describe_error(error).hint;
  if (!hint.empty()) std::cerr << "hint: " << hint << "\n";
  return 1;
}
