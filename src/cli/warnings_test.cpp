// Warnings of a command reach the stream of its context, one line each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "base/oracle_test_util.h"
#include "cli/commands.h"
#include "cli/core/application.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace warnings_test {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Warnings : public ::testing::Test {
 protected:
  // A model with one tensor too many, which loading warns of.
  void SetUp() override {
    const test::TinyModel tiny;
    test::write_tiny_model(directory_ / "m", tiny);
    std::vector<NamedTensor> tensors = test::tiny_tensors(tiny);
    tensors.push_back({"model.layers.0.spare.weight", at::ones({2, 2})});
    write_tensors(directory_ / "m" / "model.safetensors", tensors);
    write_file_atomic(directory_ / "ids.jsonl", "{\"ids\": [1, 2, 3]}\n");
  }

  std::string errors_of(const std::vector<std::string>& args) {
    std::ostringstream out, err;
    EXPECT_EQ(run_application(program_info(), Commands::make(), args, out, err), 0) << err.str();
    return err.str();
  }

  test::TempDirectory directory_;
};

TEST_F(Warnings, OfLoadingReachTheContextOfEveryCommand) {
  const std::string model = (directory_ / "m").string();
  EXPECT_THAT(errors_of({"score", "--model", model, "--input", (directory_ / "ids.jsonl").string(),
                         "--output", (directory_ / "scores.jsonl").string()}),
              AllOf(StartsWith("warning: "), HasSubstr("spare")));
  EXPECT_THAT(errors_of({"quantize", "--model", model, "--start", "none", "--errors", "none",
                         "--output", (directory_ / "nf4").string()}),
              AllOf(StartsWith("warning: "), HasSubstr("spare")));
}

}  // namespace warnings_test
}  // namespace svtune
