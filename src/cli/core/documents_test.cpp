// The generated documents, each read by the program that it is made for where that exists.
#include "cli/core/documents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.h"
#include "base/oracle_test_util.h"
#include "base/text_util.h"
#include "cli/core/test_commands.h"

namespace svtune {
namespace documents_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using testing_commands::call;

test::CommandResult shell(const std::string& command) {
  return test::run_command(command + " 2>&1");
}

bool has_program(const std::string& name) { return shell("command -v " + name).status == 0; }

class ScratchFile {
 public:
  ScratchFile(const std::string& name, const std::string& text)
      : path_(std::filesystem::path(::testing::TempDir()) / (std::to_string(getpid()) + name)) {
    write_file_atomic(path_, text);
  }
  ~ScratchFile() { std::filesystem::remove(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

// What bash offers at the end of these words; the last one is being typed.
std::vector<std::string> bash_offers(const std::string& words) {
  const ScratchFile script("svtune_completion_test.bash", call({"completion", "bash"}).out);
  const test::CommandResult result =
      shell("bash --norc -c 'source " + script.path() + "; COMP_WORDS=(" + words +
            "); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _svtune; printf \"%s\\n\" "
            "\"${COMPREPLY[@]}\"'");
  EXPECT_EQ(result.status, 0) << result.output;
  std::vector<std::string> out;
  for (const std::string_view line : split(result.output, '\n')) {
    if (!line.empty()) out.emplace_back(line);
  }
  return out;
}

TEST(BashCompletion, OffersCommandsFlagsAndValues) {
  if (!has_program("bash")) GTEST_SKIP() << "bash is not installed";
  EXPECT_THAT(bash_offers("svtune f"), ElementsAre("fit", "fail"));
  EXPECT_THAT(bash_offers("svtune fit --r"), UnorderedElementsAre("--rank", "--rank-pattern"));
  EXPECT_THAT(bash_offers("svtune fit --no-"), ElementsAre("--no-packing", "--no-shuffle"));
  EXPECT_THAT(bash_offers("svtune fit --schedule \"\""), ElementsAre("cosine", "linear"));
  EXPECT_THAT(bash_offers("svtune fit --method p"), ElementsAre("pissa"));
  EXPECT_THAT(bash_offers("svtune completion \"\""), ::testing::Contains("zsh"));
  EXPECT_THAT(bash_offers("svtune help f"), ElementsAre("fit", "fail"));
  EXPECT_TRUE(bash_offers("svtune fit --rank \"\"").empty());
}

TEST(BashCompletion, OffersDirectoriesForADirectoryArgument) {
  if (!has_program("bash")) GTEST_SKIP() << "bash is not installed";
  const std::string source = SVTUNE_SOURCE_DIR;
  EXPECT_THAT(bash_offers("svtune fit " + source + "/sr"), ElementsAre(source + "/src"));
  EXPECT_TRUE(bash_offers("svtune fit " + source + "/CMakeLis").empty());
  EXPECT_THAT(bash_offers("svtune fit -c " + source + "/CMakeLis"),
              ElementsAre(source + "/CMakeLists.txt"));
}

TEST(ZshCompletion, ParsesInZsh) {
  const ScratchFile script("_svtune_completion_test", call({"completion", "zsh"}).out);
  if (!has_program("zsh")) GTEST_SKIP() << "zsh is not installed";
  const test::CommandResult result = shell("zsh -n " + script.path());
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(result.output, "");
}

TEST(ZshCompletion, DescribesEveryKindOfOption) {
  const std::string text = call({"completion", "zsh"}).out;
  for (const char* part :
       {"#compdef svtune\n", "'fit:Fit a model'", "'--rank[Rank of the update]:N: '",
        "'--schedule[Shape of the learning rate'\\''s decay]:NAME:(cosine linear)'",
        "'*--targets[Layers to adapt]:TEXT: '", "':DIR:_files -/'", "'--packing[Pack",
        "help) _describe command commands", "'--no-packing[off\\: Pack", "':SHELL:(bash zsh)'"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(ManPage, GroffSetsItWithoutWarnings) {
  const std::string page = call({"man"}).out;
  if (!has_program("groff")) GTEST_SKIP() << "groff is not installed";
  const ScratchFile file("svtune_man_test.1", page);
  const test::CommandResult check = shell("groff -man -Tascii -ww -z " + file.path());
  EXPECT_EQ(check.output, "");
  const std::string text = shell("groff -man -Tascii -P-cbou " + file.path()).output;
  for (const char* part : {"svtune - fine-tune", "SVTUNE FIT", "--learning-rate X",
                           "Peak learning rate (default 0.0002; > 0; in 1/step).", "half a wave",
                           "svtune fit DIR --rank 8", "EXIT STATUS", "svtune 1.2.3"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(Markdown, TablesHaveOneRowAnOptionAndEscapedBars) {
  const std::string text = call({"docs"}).out;
  for (const char* row :
       {"## svtune fit\n", "svtune fit DIR [options]\n", "**Optimiser**\n",
        "| `--learning-rate X` | number, > 0 (1/step) | `0.0002` | Peak learning rate |\n",
        "| `--schedule NAME` | `cosine` half a wave<br>`linear` | `cosine` | ",
        "| `--[no-]packing` | true or false | on | Pack documents \\| one row |\n",
        "| `DIR` | path | required | Model directory |\n",
        "| `--rank-pattern NAME=N,...` | name=integer pairs, >= 1 |  | Ranks by layer |\n"}) {
    EXPECT_THAT(text, HasSubstr(row));
  }
  for (const std::string_view line : split(text, '\n')) {
    if (!line.starts_with("| `")) continue;
    const std::string unescaped = replace_all(line, "\\|", "");
    EXPECT_EQ(std::count(unescaped.begin(), unescaped.end(), '|'), 5) << line;
  }
  EXPECT_THAT(text, Not(HasSubstr("\n\n\n")));
}

}  // namespace documents_test
}  // namespace svtune
