// Warnings that come from several parts of one whole, such as training and evaluation data: what is
// true of more than one is told once.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace svtune {

class TellOnce {
 public:
  explicit TellOnce(std::function<void(const std::string&)> tell) : tell_(std::move(tell)) {}

  void operator()(const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      if (told_.insert(text).second) tell_(text);
    }
  }

 private:
  std::function<void(const std::string&)> tell_;
  std::set<std::string> told_;
};

}  // namespace svtune
