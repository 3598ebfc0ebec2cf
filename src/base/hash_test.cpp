// Hashes against the published XXH64 vectors and against their own streaming form.
#include "base/hash.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace svtune {
namespace hash_test {

TEST(Hash, MatchesPublishedXxh64Values) {
  // From the reference implementation (PyPI xxhash 3.5, xxh64_hexdigest).
  EXPECT_EQ(hex64(hash64("")), "ef46db3751d8e999");
  EXPECT_EQ(hex64(hash64("abc")), "44bc2cf5ad770999");
  EXPECT_EQ(hex64(hash64("Nobody inspects the spammish repetition")), "fbcea83c8a378bf1");
}

TEST(Hash, AnySplitGivesTheValueOfTheWhole) {
  std::string text;
  for (int i = 0; i < 300; ++i) text.push_back(static_cast<char>(i * 7));
  for (std::size_t size = 0; size <= text.size(); size += 13) {
    const std::string_view whole(text.data(), size);
    for (std::size_t cut : {std::size_t{0}, size / 3, size / 2, size}) {
      Hasher64 hasher(5);
      hasher.update(whole.substr(0, cut));
      hasher.update(whole.substr(cut));
      EXPECT_EQ(hasher.digest(), hash64(whole, 5)) << size << " " << cut;
    }
  }
}

TEST(Hash, DerivedSeedsDifferByPurposeNameAndRun) {
  std::set<std::uint64_t> seeds = {derive_seed(1, "ab", "c"), derive_seed(1, "a", "bc"),
                                   derive_seed(2, "ab", "c"), derive_seed(1, "ab", "d")};
  EXPECT_EQ(seeds.size(), 4U);
  EXPECT_EQ(derive_seed(1, "ab", "c"), derive_seed(1, "ab", "c"));
}

}  // namespace hash_test
}  // namespace svtune
