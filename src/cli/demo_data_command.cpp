#include "cli/demo_data_command.h"

#include "base/files.h"
#include "data/word_problems.h"

namespace svtune {
namespace {

void write_problems(const std::filesystem::path& path, std::uint64_t seed, std::int64_t count,
                    Split split) {
  AtomicFile file(path);
  for (const WordProblem& problem :
       make_word_problems(seed, static_cast<std::size_t>(count), split)) {
    file.write(word_problem_line(problem) + "\n");
  }
  file.commit();
}

}  // namespace

int run(const DemoDataOptions& options, CommandContext& context) {
  std::filesystem::create_directories(options.output);
  write_problems(options.output / "train.jsonl", options.seed, options.train, Split::kTrain);
  write_problems(options.output / "test.jsonl", options.seed, options.test, Split::kTest);
  context.out << "Wrote " << options.train << " training and " << options.test
              << " test problems to " << options.output.string() << "\n";
  return 0;
}

}  // namespace svtune
