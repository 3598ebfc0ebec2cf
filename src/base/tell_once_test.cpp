#include "base/tell_once.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace svtune {
namespace tell_once_test {

using ::testing::ElementsAre;

TEST(TellOnce, WhatSeveralPartsSayIsToldOnceInItsOrder) {
  std::vector<std::string> said;
  TellOnce tell([&](const std::string& text) { said.push_back(text); });
  tell({"no end token", "a.jsonl: columns not used: id"});
  tell({"no end token", "b.jsonl: columns not used: id", "b.jsonl: columns not used: id"});
  EXPECT_THAT(said, ElementsAre("no end token", "a.jsonl: columns not used: id",
                                "b.jsonl: columns not used: id"));
}

}  // namespace tell_once_test
}  // namespace svtune
