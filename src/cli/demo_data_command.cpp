#include "cli/demo_data_command.h"

#include <string>
#include <system_error>

#include "base/errors.h"
#include "base/files.h"
#include "data/word_problems.h"

namespace svtune {
namespace {

std::string problems_text(std::uint64_t seed, std::int64_t count, Split split) {
  std::string text;
  for (const WordProblem& problem :
       make_word_problems(seed, static_cast<std::size_t>(count), split)) {
    text += word_problem_line(problem) + "\n";
  }
  return text;
}

// The files have names that data of the user's own may well bear.
void require_free(const std::filesystem::path& path, const std::string& text) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return;
  const bool same = std::filesystem::is_regular_file(path, ignored) &&
                    std::filesystem::file_size(path, ignored) == text.size() &&
                    read_file(path, text.size()) == text;
  if (!same) {
    throw FileError(path.string(), "exists already, with other contents",
                    "Choose another --output.");
  }
}

}  // namespace

int run(const DemoDataOptions& options, CommandContext& context) {
  const std::filesystem::path train = options.output / "train.jsonl";
  const std::filesystem::path test = options.output / "test.jsonl";
  const std::string train_text = problems_text(options.seed, options.train, Split::kTrain);
  const std::string test_text = problems_text(options.seed, options.test, Split::kTest);
  require_free(train, train_text);
  require_free(test, test_text);
  std::error_code failed;
  std::filesystem::create_directories(options.output, failed);
  if (failed) {
    throw FileError(options.output.string(), "cannot create the directory: " + failed.message(),
                    hint_of_errno(failed.value()));
  }
  write_file_atomic(train, train_text);
  write_file_atomic(test, test_text);
  context.out << "Wrote " << options.train << " training and " << options.test
              << " test problems to " << options.output.string() << "\n";
  return 0;
}

}  // namespace svtune
