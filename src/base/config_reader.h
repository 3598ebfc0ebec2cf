// Reads a Hugging Face config.json key by key, gathers every problem and reports them once.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/json.h"

namespace svtune {

class ConfigReader {
 public:
  // `source` names the file in messages.
  ConfigReader(const Json& config, std::string source);

  std::int64_t integer(const std::string& key);  // required, at least 1
  std::int64_t integer_or(const std::string& key, std::int64_t fallback);
  double number_or(const std::string& key, double fallback);
  bool boolean_or(const std::string& key, bool fallback);
  std::string text_or(const std::string& key, const std::string& fallback);
  std::int64_t integer_or_zero(const std::string& key, std::int64_t fallback);  // 0 is allowed
  const Json* find(const std::string& key);  // null counts as absent
  // Whether any of the above has asked for the key.
  bool was_read(const std::string& key) const { return read_.contains(key); }
  bool has(const std::string& key) const { return config_.contains(key); }
  bool is_null(const std::string& key) const { return has(key) && config_.at(key).is_null(); }

  void problem(const std::string& text) { problems_.push_back(text); }
  const std::string& source() const { return source_; }

  // Throws FileError with all problems found so far. Call once, at the end.
  void finish(const std::string& hint = "Check that config.json belongs to this model.") const;

 private:
  const Json& config_;
  std::string source_;
  std::vector<std::string> problems_;
  std::set<std::string> read_;
};

}  // namespace svtune
