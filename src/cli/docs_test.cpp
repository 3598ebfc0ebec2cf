// docs/options.md is what the commands declare.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/files.h"
#include "cli/commands.h"
#include "cli/core/documents.h"

namespace svtune {
namespace docs_test {

TEST(Docs, OptionsReferenceEqualsTheDeclaredOptions) {
  const auto path = std::filesystem::path(SVTUNE_SOURCE_DIR) / "docs" / "options.md";
  const std::string text = std::filesystem::exists(path) ? read_file(path, 1 << 22) : "";
  EXPECT_TRUE(text == markdown_reference(Commands::make()))
      << "docs/options.md is out of date; write it anew with: svtune docs > docs/options.md";
}

TEST(Docs, EveryOptionHasHelpAndEveryCommandASummary) {
  std::size_t options = 0;
  for (const Command& command : Commands::make()) {
    EXPECT_FALSE(command.info.summary.empty()) << command.info.name;
    EXPECT_FALSE(command.info.summary.ends_with('.')) << command.info.name;
    for (const FieldInfo& info : command.fields()) {
      ++options;
      EXPECT_FALSE(info.help.empty()) << command.info.name << " " << info.name;
      EXPECT_FALSE(info.help.ends_with('.')) << command.info.name << " " << info.name;
    }
  }
  EXPECT_GT(options, 0u);
}

}  // namespace docs_test
}  // namespace svtune
