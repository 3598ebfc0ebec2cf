// For tests only: finds a Python with the reference packages and runs short scripts in it.
// The interpreter is SVTUNE_ORACLE_PYTHON, else .venv/bin/python of the source tree.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"

namespace svtune::test {

inline std::string shell_quote(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

struct CommandResult {
  int status = -1;     // exit status
  std::string output;  // standard output
};

inline CommandResult run_command(const std::string& command) {
  CommandResult result;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return result;
  std::array<char, 65536> buffer;
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    result.output.append(buffer.data(), got);
  }
  const int status = ::pclose(pipe);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

// Python that can find every module of `modules` (comma-separated), or "" when there is none.
inline std::string oracle_python(const std::string& modules) {
  const char* set = std::getenv("SVTUNE_ORACLE_PYTHON");
  const std::string python = set != nullptr ? set : SVTUNE_SOURCE_DIR "/.venv/bin/python";
  if (::access(python.c_str(), X_OK) != 0) return "";
  const std::string script =
      "import sys, importlib.util as u\n"
      "sys.exit(any(u.find_spec(m.strip()) is None for m in sys.argv[1].split(',')))";
  const CommandResult found = run_command(shell_quote(python) + " -c " + shell_quote(script) + " " +
                                          shell_quote(modules) + " 2>/dev/null");
  return found.status == 0 ? python : "";
}

// Standard output of `script`; a non-zero exit status fails the calling test.
inline std::string run_oracle(const std::string& python, const std::string& script,
                              const std::vector<std::string>& arguments = {}) {
  std::string command = shell_quote(python) + " -c " + shell_quote(script);
  for (const std::string& argument : arguments) command += " " + shell_quote(argument);
  const CommandResult result = run_command(command);
  EXPECT_EQ(result.status, 0) << "oracle script failed:\n" << script;
  return result.output;
}

// The same of a script in tests/oracle that needs no network; `arguments` as a shell reads them.
inline std::string run_oracle_file(const std::string& python, const std::string& script,
                                   const std::string& arguments) {
  const CommandResult result =
      run_command("HF_HUB_OFFLINE=1 " + shell_quote(python) + " " +
                  shell_quote(SVTUNE_SOURCE_DIR "/tests/oracle/" + script) + " " + arguments);
  EXPECT_EQ(result.status, 0) << script << " " << arguments;
  return result.output;
}

// A file or folder of the real data that SVTUNE_TEST_DATA names; "" when it is not set or has none
// of that name. Tests that need one skip then.
inline std::filesystem::path test_data(const std::string& name) {
  const char* set = std::getenv("SVTUNE_TEST_DATA");
  if (set == nullptr || *set == '\0') return {};
  const std::filesystem::path path = std::filesystem::path(set) / name;
  return std::filesystem::exists(path) ? path : std::filesystem::path();
}

inline constexpr const char* kNoTestData = "SVTUNE_TEST_DATA names no folder that has ";

// An empty directory that goes away with the object.
class TempDirectory {
 public:
  TempDirectory() {
    std::string pattern = ::testing::TempDir() + "/svtune_test_XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) ADD_FAILURE() << "cannot create " << pattern;
    path_ = pattern;
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Tests against models that `kScript` of tests/oracle makes, once for all of them, in models().
template <const char* kScript>
class OracleModels : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    python() = oracle_python("peft,transformers,safetensors");
    directory() = std::make_unique<TempDirectory>();
    if (!python().empty()) oracle("models " + shell_quote(models().string()));
  }
  static void TearDownTestSuite() { directory().reset(); }
  void SetUp() override {
    if (python().empty()) GTEST_SKIP() << "no Python with transformers and PEFT";
  }
  // Standard output of the script.
  static std::string oracle(const std::string& arguments) {
    return run_oracle_file(python(), kScript, arguments);
  }
  static std::string& python() {
    static std::string text;
    return text;
  }
  static std::unique_ptr<TempDirectory>& directory() {
    static std::unique_ptr<TempDirectory> made;
    return made;
  }
  static std::filesystem::path models() { return *directory() / "models"; }
};

}  // namespace svtune::test
