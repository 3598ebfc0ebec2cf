// What a library user's process gets back.
#include <gtest/gtest.h>

#include "base/oracle_test_util.h"
#include "io/tiny_model_test_util.h"
#include "svtune/memory.h"
#include "svtune/session.h"
#include "train/memory.h"

namespace svtune {
namespace session_memory_test {

constexpr std::uint64_t kMib = 1 << 20;

struct Resident {
  std::uint64_t alive = 0, after = 0;  // bytes above those before
};

Resident score_once(const std::filesystem::path& model) {
  const std::uint64_t before = process_memory().resident;
  Resident resident;
  {
    Session session({.model = model, .compute = ComputeType::kBf16});
    session.score({{1, 2, 3, 4, 5, 6, 7, 8}});
    resident.alive = process_memory().resident - before;
  }
  const std::uint64_t after = process_memory().resident;
  resident.after = after - std::min(after, before);
  return resident;
}

// An fp32 checkpoint read as bf16 is a copy of 40 MiB; other ways round it stays mapped.
TEST(SessionMemory, IsGivenBackAtTheEndWithEitherAllocator) {
  const test::TempDirectory directory;
  test::write_tiny_model(directory / "small", {});
  test::write_tiny_model(directory / "large", {.layers = 4, .hidden_size = 768});
  for (const bool caching : {false, true}) {
    if (caching) use_caching_allocator();
    score_once(directory / "small");  // code and workspaces of the libraries stay
    const Resident resident = score_once(directory / "large");
    EXPECT_GT(resident.alive, 35 * kMib) << "caching " << caching;
    EXPECT_LT(resident.after, 15 * kMib) << "caching " << caching;
  }
}

}  // namespace session_memory_test
}  // namespace svtune
