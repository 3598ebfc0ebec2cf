#include "base/config_reader.h"

#include <utility>

#include "base/errors.h"

namespace svtune {

ConfigReader::ConfigReader(const Json& config, std::string source)
    : config_(config), source_(std::move(source)) {}

const Json* ConfigReader::find(const std::string& key) {
  read_.insert(key);
  const auto it = config_.find(key);
  return it == config_.end() || it->is_null() ? nullptr : &*it;
}

std::int64_t ConfigReader::integer(const std::string& key) {
  const Json* value = find(key);
  if (value == nullptr) {
    problem("key \"" + key + "\" is missing");
    return 1;
  }
  constexpr std::int64_t kLargest = std::int64_t{1} << 31;
  if (!value->is_number_integer() || value->get<std::int64_t>() < 1 ||
      value->get<std::int64_t>() > kLargest) {
    problem("\"" + key + "\" is " + value->dump() + ", need an integer from 1 to " +
            std::to_string(kLargest));
    return 1;
  }
  return value->get<std::int64_t>();
}

std::int64_t ConfigReader::integer_or(const std::string& key, std::int64_t fallback) {
  return find(key) == nullptr ? fallback : integer(key);
}

std::int64_t ConfigReader::integer_or_zero(const std::string& key, std::int64_t fallback) {
  const Json* value = find(key);
  return value != nullptr && *value == 0 ? 0 : integer_or(key, fallback);
}

double ConfigReader::number_or(const std::string& key, double fallback) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_number()) {
    problem("\"" + key + "\" is " + value->dump() + ", need a number");
    return fallback;
  }
  return value->get<double>();
}

bool ConfigReader::boolean_or(const std::string& key, bool fallback) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) {
    problem("\"" + key + "\" is " + value->dump() + ", need true or false");
    return fallback;
  }
  return value->get<bool>();
}

std::string ConfigReader::text_or(const std::string& key, const std::string& fallback) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_string()) {
    problem("\"" + key + "\" is " + value->dump() + ", need a string");
    return fallback;
  }
  return value->get<std::string>();
}

void ConfigReader::finish(const std::string& hint) const {
  if (problems_.empty()) return;
  std::string text;
  for (const std::string& each : problems_) text += (text.empty() ? "" : "; ") + each;
  throw FileError(source_, text, hint);
}

}  // namespace svtune
