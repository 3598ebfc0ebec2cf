// Files: round trips, atomic replacement, refusal of anything that is not a regular file.
#include "base/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "base/errors.h"

namespace svtune {
namespace files_test {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) / ("svtune_files_" + std::to_string(::getpid()));
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }
  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(root_), fs::directory_iterator()));
  }
  fs::path root_;
};

template <typename Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const FileError& error) {
    return error.what();
  }
  return "";
}

TEST_F(Files, WriteThenReadGivesTheSameBytes) {
  const std::string content("a\0b\n", 4);
  write_file_atomic(root_ / "f", content);
  EXPECT_EQ(read_file(root_ / "f", 4), content);
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Files, LargeWritesPassTheBufferInOrder) {
  std::string expected;
  AtomicFile file(root_ / "f");
  for (std::size_t size : {10UL, 300000UL, 1UL, 262144UL, 7UL}) {
    const std::string part(size, static_cast<char>('a' + size % 26));
    file.write(part);
    expected += part;
  }
  file.commit();
  EXPECT_EQ(file.bytes_written(), expected.size());
  EXPECT_TRUE(read_file(root_ / "f", 1 << 20) == expected);
}

TEST_F(Files, UncommittedFileLeavesTheOldContent) {
  write_file_atomic(root_ / "f", "old");
  {
    AtomicFile file(root_ / "f");
    file.write("new");
  }
  EXPECT_EQ(read_file(root_ / "f", 100), "old");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Files, LinksAndPipesStayWhatTheyAre) {
  write_file_atomic(root_ / "f", "old");
  std::filesystem::create_symlink(root_ / "f", root_ / "link");
  write_file_atomic(root_ / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(root_ / "link"));
  EXPECT_EQ(read_file(root_ / "f", 100), "new");

  const std::filesystem::path pipe = root_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  write_file_atomic(pipe, "through");
  char got[16];
  const ssize_t count = ::read(reader, got, sizeof got);
  ::close(reader);
  ASSERT_GE(count, 0);
  EXPECT_EQ(std::string_view(got, static_cast<std::size_t>(count)), "through");
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  EXPECT_EQ(entries(), 3U);
}

TEST_F(Files, ReadRefusesMissingLargeAndSpecialFiles) {
  write_file_atomic(root_ / "f", "12345");
  ASSERT_EQ(::mkfifo((root_ / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(error_of([&] { read_file(root_ / "none", 9); }), HasSubstr("No such file"));
  EXPECT_THAT(error_of([&] { read_file(root_ / "f", 4); }), HasSubstr("at most 4"));
  EXPECT_THAT(error_of([&] { read_file(root_, 9); }), HasSubstr("is a directory"));
  EXPECT_THAT(error_of([&] { read_file(root_ / "pipe", 9); }), HasSubstr("not a regular file"));
  EXPECT_THAT(error_of([&] { MappedFile m(root_ / "pipe"); }), HasSubstr("not a regular file"));
}

TEST_F(Files, FailedWriteNamesThePathAndRemovesTheTemporary) {
  // A file size limit stands in for a full disk: write() fails the same way.
  struct rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = {4096, old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message =
      error_of([&] { write_file_atomic(root_ / "big", std::string(1 << 20, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_THAT(message, HasSubstr("big: cannot write: File too large"));
  EXPECT_EQ(entries(), 0U);
}

TEST_F(Files, MappedFileShowsTheContentAndMoves) {
  write_file_atomic(root_ / "f", std::string(10000, 'q'));
  MappedFile first(root_ / "f");
  MappedFile second(std::move(first));
  EXPECT_TRUE(first.bytes().empty());  // NOLINT: what is left behind is the matter here
  ASSERT_EQ(second.bytes().size(), 10000U);
  second.release_pages(second.bytes());
  EXPECT_EQ(static_cast<char>(second.bytes()[9999]), 'q');
  write_file_atomic(root_ / "empty", "");
  EXPECT_TRUE(MappedFile(root_ / "empty").bytes().empty());
}

TEST_F(Files, DirectoryAppearsOnlyAtCommit) {
  {
    AtomicDirectory directory(root_ / "out");
    write_file_atomic(directory.staging() / "f", "x");
    EXPECT_FALSE(fs::exists(root_ / "out"));
  }
  EXPECT_EQ(entries(), 0U);
  AtomicDirectory directory((root_ / "out/").string());
  write_file_atomic(directory.staging() / "f", "y");
  directory.commit();
  EXPECT_EQ(read_file(root_ / "out/f", 9), "y");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Files, DirectoryRefusesOrReplacesExistingContent) {
  fs::create_directories(root_ / "out");
  write_file_atomic(root_ / "out/old", "x");
  EXPECT_THAT(error_of([&] { AtomicDirectory d(root_ / "out"); }), HasSubstr("not empty"));
  EXPECT_THAT(error_of([&] { AtomicDirectory d(root_ / "out/old"); }),
              HasSubstr("not a directory"));
  AtomicDirectory directory(root_ / "out", IfExists::kReplace);
  write_file_atomic(directory.staging() / "new", "y");
  directory.commit();
  EXPECT_TRUE(fs::exists(root_ / "out/new"));
  EXPECT_FALSE(fs::exists(root_ / "out/old"));
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Files, UpdatedDirectoryKeepsWhatIsNotWrittenAgain) {
  fs::create_directories(root_ / "out/.git/objects");
  fs::create_directories(root_ / "out/both");
  for (const char* name : {"out/a", "out/README.md", "out/.git/objects/1", "out/both/mine"}) {
    write_file_atomic(root_ / name, "old");
  }
  fs::create_symlink("nowhere", root_ / "out/link");
  AtomicDirectory directory(root_ / "out", IfExists::kUpdate);
  fs::create_directories(directory.staging() / "both");
  write_file_atomic(directory.staging() / "a", "new");
  write_file_atomic(directory.staging() / "both/theirs", "new");
  directory.commit();
  EXPECT_EQ(read_file(root_ / "out/a", 9), "new");
  EXPECT_EQ(read_file(root_ / "out/both/theirs", 9), "new");
  for (const char* name : {"out/README.md", "out/.git/objects/1", "out/both/mine"}) {
    EXPECT_EQ(read_file(root_ / name, 9), "old") << name;
  }
  EXPECT_EQ(fs::read_symlink(root_ / "out/link").string(), "nowhere");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Files, LinkToADirectoryStays) {
  std::filesystem::create_directory(root_ / "real");
  std::filesystem::create_directory_symlink("real", root_ / "link");
  for (const IfExists if_exists : {IfExists::kFail, IfExists::kReplace}) {
    AtomicDirectory folder(root_ / "link" / "", if_exists);
    write_file_atomic(folder.staging() / "a", "text");
    folder.commit();
    EXPECT_TRUE(std::filesystem::is_symlink(root_ / "link"));
    EXPECT_EQ(read_file(root_ / "real" / "a", 99), "text");
  }
  EXPECT_THROW(AtomicDirectory(root_ / "link"), FileError);
}

TEST_F(Files, TheSignOfStandardOutputIsNoName) {
  EXPECT_THROW(AtomicFile("-"), FileError);
  EXPECT_THROW(AtomicDirectory("-"), FileError);
  EXPECT_FALSE(std::filesystem::exists("-"));
  write_file_atomic(root_ / "-", "text");
  EXPECT_EQ(read_file(root_ / "-", 99), "text");
}

TEST_F(Files, TheNextWriterRemovesWhatKilledOnesLeftOfItsTarget) {
  const std::string dead = ".svtune-tmp-999999999-0";
  for (const char* name : {".out", ".other"}) {
    fs::create_directories(root_ / (name + dead));
    std::ofstream(root_ / (name + dead) / "model.safetensors") << "x";
    std::ofstream(root_ / (name + dead + ".lock")) << "";
  }
  AtomicDirectory(root_ / "out").commit();
  EXPECT_FALSE(fs::exists(root_ / (".out" + dead)));
  EXPECT_TRUE(fs::exists(root_ / (".other" + dead)));
  EXPECT_EQ(entries(), 3U);
  std::ofstream(root_ / (".file" + dead)) << "x";
  write_file_atomic(root_ / "file", "y");
  EXPECT_FALSE(fs::exists(root_ / (".file" + dead)));
}

// The number in the name may be that of another process by now, or of another machine's.
TEST_F(Files, TemporariesAreStaleWhenNobodyHoldsTheirLock) {
  const auto touch = [&](const std::string& name) { std::ofstream(root_ / name) << "x"; };
  touch(".reused.svtune-tmp-" + std::to_string(::getpid()) + "-999");
  touch(".elsewhere.svtune-tmp-999999999-0");
  touch(".hidden");
  touch(".hidden.svtune-tmp-mine");
  const fs::path elsewhere = root_ / ".elsewhere.svtune-tmp-999999999-0";
  const int held = ::open(elsewhere.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(held, LOCK_EX), 0);
  EXPECT_EQ(remove_stale_temporaries(root_), 1U);
  EXPECT_EQ(entries(), 3U);
  EXPECT_TRUE(fs::exists(elsewhere));
  ::close(held);
  EXPECT_EQ(remove_stale_temporaries(root_), 1U);
  EXPECT_EQ(entries(), 2U);
  EXPECT_EQ(remove_stale_temporaries(root_ / "none"), 0U);
}

// Where names cannot be exchanged nothing has the target's for a moment, and a kill may come then.
TEST_F(Files, WhatWasSetAsideIsPutBackWhereNothingHasItsName) {
  const auto make = [&](const std::string& name) {
    fs::create_directories(root_ / name);
    std::ofstream(root_ / name / "f") << name;
  };
  for (const char* folder : {".lost.svtune-tmp-999999999-0", ".there.svtune-tmp-999999999-0"}) {
    make(folder);
    make(std::string(folder) + ".old");
    std::ofstream(root_ / (std::string(folder) + ".lock")) << "";
  }
  make("there");
  remove_stale_temporaries(root_);
  EXPECT_EQ(read_file(root_ / "lost/f", 99), ".lost.svtune-tmp-999999999-0.old");
  EXPECT_EQ(read_file(root_ / "there/f", 99), "there");
  EXPECT_EQ(entries(), 2U);
}

// A folder may have outlived its lock.
TEST_F(Files, FoldersWithoutALockAreLeftOver) {
  fs::create_directories(root_ / ".out.svtune-tmp-999999999-0" / "f");
  EXPECT_EQ(remove_stale_temporaries(root_), 1U);
  EXPECT_EQ(entries(), 0U);
}

TEST_F(Files, WritersLeaveEachOthersTemporaries) {
  AtomicFile file(root_ / "f");
  AtomicDirectory directory(root_ / "d", IfExists::kReplace);
  file.write("first");
  write_file_atomic(directory.staging() / "a", "first");
  EXPECT_EQ(remove_stale_temporaries(root_), 0U);
  write_file_atomic(root_ / "f", "second");
  {
    AtomicDirectory second(root_ / "d", IfExists::kReplace);
    write_file_atomic(second.staging() / "a", "second");
    second.commit();
  }
  EXPECT_EQ(read_file(root_ / "d/a", 9), "second");
  file.commit();
  directory.commit();
  EXPECT_EQ(read_file(root_ / "f", 9), "first");
  EXPECT_EQ(read_file(root_ / "d/a", 9), "first");
  EXPECT_EQ(entries(), 2U);
}

}  // namespace files_test
}  // namespace svtune
