// The cache of results: what is stored comes back or is absent, never wrong; the limit holds;
// a place that cannot be written to costs nothing but the cache.
#include "base/blob_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "base/errors.h"
#include "base/files.h"

namespace svtune {
namespace blob_cache_test {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint64_t kAmple = 1u << 20;
constexpr std::uint64_t kHeader = 24;  // bytes before the content of an entry

class BlobCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) / ("svtune_cache_" + std::to_string(::getpid()));
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  static void put(BlobCache& cache, const std::string& key, const std::string& content) {
    const std::string_view half = std::string_view(content).substr(0, content.size() / 2);
    const std::string_view rest = std::string_view(content).substr(content.size() / 2);
    const std::string_view pieces[] = {half, rest};
    cache.store(key, pieces);
  }

  static std::vector<std::string> keys(const BlobCache& cache) {
    std::vector<std::string> keys;
    for (const CacheEntry& entry : cache.entries()) keys.push_back(entry.key);
    return keys;
  }

  // File times may be coarse; tests of the order set them.
  void age(const std::string& key, int seconds) const {
    fs::last_write_time(root_ / (key + ".svtcache"),
                        fs::file_time_type::clock::now() - std::chrono::seconds(seconds));
  }

  fs::path root_;
};

TEST_F(BlobCacheTest, StoredBytesComeBackAlsoToAnotherObject) {
  const std::string content("ab\0c\n", 5);
  BlobCache cache(root_ / "deep" / "er", kAmple);
  EXPECT_EQ(cache.find("k"), std::nullopt);
  EXPECT_TRUE(cache.entries().empty());
  put(cache, "k", content);
  put(cache, "empty", "");
  EXPECT_EQ(cache.find("k"), content);
  EXPECT_EQ(BlobCache(root_ / "deep" / "er", kAmple).find("empty"), "");
  put(cache, "k", "new");
  EXPECT_EQ(cache.find("k"), "new");
  EXPECT_EQ(cache.warning(), "");
}

TEST_F(BlobCacheTest, EveryDamagedByteIsNoticedAndTheEntryRemoved) {
  BlobCache cache(root_, kAmple);
  const fs::path file = root_ / "k.svtcache";
  put(cache, "k", "content");
  const std::string intact = read_file(file, kAmple);
  for (std::size_t i = 0; i < intact.size(); ++i) {
    std::string damaged = intact;
    damaged[i] = static_cast<char>(damaged[i] ^ 4);
    std::ofstream(file, std::ios::binary) << damaged;
    EXPECT_EQ(cache.find("k"), std::nullopt) << "byte " << i;
    EXPECT_FALSE(fs::exists(file));
  }
  for (const std::string& cut :
       {std::string(), intact.substr(0, 9), intact.substr(0, 30), intact + "x"}) {
    std::ofstream(file, std::ios::binary) << cut;
    EXPECT_EQ(cache.find("k"), std::nullopt) << cut.size();
  }
  EXPECT_EQ(cache.damaged(), static_cast<std::int64_t>(intact.size()) + 4);
  put(cache, "k", "again");
  EXPECT_EQ(cache.find("k"), "again");
}

TEST_F(BlobCacheTest, LeastRecentlyUsedEntriesMakeRoom) {
  const std::string content(100 - kHeader, 'x');
  BlobCache before(root_, 350);
  for (const char* key : {"a", "b", "c"}) put(before, key, content);
  BlobCache cache(root_, 350);
  age("a", 30);
  age("b", 20);
  age("c", 10);
  EXPECT_TRUE(cache.find("a"));  // now the youngest
  put(cache, "d", content);
  EXPECT_EQ(cache.find("b"), std::nullopt);
  age("a", 5);
  age("d", 4);
  EXPECT_THAT(keys(cache), ElementsAre("c", "a", "d"));
  BlobCache after(root_, 350);
  put(after, "large", std::string(340 - kHeader, 'y'));
  EXPECT_THAT(keys(after), ElementsAre("large"));
  put(after, "giant", std::string(351 - kHeader, 'z'));
  EXPECT_THAT(keys(after), ElementsAre("large"));
  EXPECT_EQ(after.warning(), "");
}

// Each run reads what is there and stores what is missing, in the same order.
TEST_F(BlobCacheTest, ARunLargerThanTheLimitFindsWhatFits) {
  const std::string content(100 - kHeader, 'x');
  for (int run = 0; run < 3; ++run) {
    BlobCache cache(root_, 850);
    int found = 0;
    for (char key = 'a'; key <= 'j'; ++key) {
      if (cache.find(std::string(1, key))) {
        ++found;
      } else {
        put(cache, std::string(1, key), content);
      }
    }
    EXPECT_EQ(found, run == 0 ? 0 : 8) << "run " << run;
    EXPECT_EQ(cache.entries().size(), 8u);
    EXPECT_EQ(cache.entries()[0].bytes, 100u);
  }
  // Another run's entries take the room of those that are not in use.
  BlobCache other(root_, 850);
  for (char key = 'q'; key <= 'z'; ++key) put(other, std::string(1, key), content);
  EXPECT_TRUE(other.find("q"));
  EXPECT_FALSE(other.find("a"));
}

TEST_F(BlobCacheTest, ThreadsStoreAtTheSameTimeWithinTheLimit) {
  BlobCache cache(root_, 50 * 200);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (int i = 0; i < 25; ++i) {
        put(cache, std::to_string(t) + "-" + std::to_string(i), std::string(200 - kHeader, 'x'));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cache.entries().size(), 50u);
  EXPECT_EQ(cache.warning(), "");
}

TEST_F(BlobCacheTest, ClearRemovesEntriesAndNothingElse) {
  BlobCache cache(root_, kAmple);
  std::ofstream(root_ / "notes.txt") << "mine";
  put(cache, "a", "1");
  put(cache, "b", "22");
  EXPECT_EQ(cache.clear(), 3 + 2 * kHeader);
  EXPECT_TRUE(cache.entries().empty());
  EXPECT_TRUE(fs::exists(root_ / "notes.txt"));
  EXPECT_EQ(cache.clear(), 0u);
}

TEST_F(BlobCacheTest, ADirectoryThatCannotBeMadeIsAWarning) {
  std::ofstream(root_ / "file") << "in the way";
  BlobCache cache(root_ / "file" / "cache", kAmple);
  put(cache, "k", "content");
  EXPECT_THAT(cache.warning(), HasSubstr("file/cache"));
  EXPECT_EQ(cache.find("k"), std::nullopt);
  EXPECT_TRUE(cache.entries().empty());
}

// A limit on file sizes fails a write half-way, as a full disk does. In a child: the limit
// cannot be lifted again by an unprivileged process.
TEST_F(BlobCacheTest, AFullDiskIsAWarningAndLeavesNothing) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit tight{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &tight);
    BlobCache cache(root_, kAmple);
    put(cache, "k", std::string(100000, 'x'));
    const bool stated = cache.warning().find("cannot write") != std::string::npos;
    ::_exit(stated && fs::is_empty(root_) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// Several processes write, read and evict the same keys; what is found must always be whole.
TEST_F(BlobCacheTest, ProcessesShareIt) {
  const auto content = [](int key) { return std::string(500 + 50 * key, 'a' + key); };
  std::vector<pid_t> children;
  for (int process = 0; process < 3; ++process) {
    const pid_t child = ::fork();
    if (child == 0) {
      BlobCache cache(root_, 3000);
      int found = 0;
      for (int i = 0; i < 300; ++i) {
        const int key = (i * 7 + process) % 8;
        const std::string name(1, static_cast<char>('a' + key));
        if (const auto got = cache.find(name)) {
          if (*got != content(key)) ::_exit(2);
          ++found;
        } else {
          put(cache, name, content(key));
        }
      }
      ::_exit(cache.damaged() == 0 && cache.warning().empty() && found > 0 ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  for (const auto& file : fs::directory_iterator(root_)) {
    EXPECT_EQ(file.path().extension(), ".svtcache") << file.path();
  }
}

TEST(UserCacheDirectory, FollowsTheVariables) {
  const char* given = std::getenv("HOME");
  const std::string home_before = given ? given : "";
  const auto with = [](const char* own, const char* xdg, const char* home) {
    ::setenv("SVTUNE_CACHE_DIR", own, 1);
    ::setenv("XDG_CACHE_HOME", xdg, 1);
    ::setenv("HOME", home, 1);
    return user_cache_directory().value_or("none").lexically_normal();
  };
  EXPECT_EQ(with("/a", "/b", "/c"), fs::path("/a/"));
  EXPECT_EQ(with("", "/b", "/c"), fs::path("/b/svtune"));
  EXPECT_EQ(with("", "", "/c"), fs::path("/c/.cache/svtune"));
  EXPECT_EQ(with("", "", ""), fs::path("none"));
  ::unsetenv("SVTUNE_CACHE_DIR");
  ::unsetenv("XDG_CACHE_HOME");
  ::setenv("HOME", home_before.c_str(), 1);
}

}  // namespace blob_cache_test
}  // namespace svtune
