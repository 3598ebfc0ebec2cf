// Reads PEFT's adapter_config.json key by key: what is asked for is known, what is not draws a
// warning or, where it turns something on, is a problem, and every problem is reported at once.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/json.h"

namespace svtune {

// The shape of a tensor whose name ends in `part`, in the weights beside the configuration; nothing
// where there is none.
using StoredShape =
    std::function<std::optional<std::vector<std::int64_t>>(const std::string& part)>;

class PeftKeys {
 public:
  // `json` is an object, and outlives this.
  PeftKeys(const Json& json, const std::string& source, std::vector<std::string>& warnings,
           StoredShape shape = {});

  std::string type() const;  // peft_type; empty when it is no text
  // For what PEFT's keys leave open. Nothing where the weights are not at hand.
  std::optional<std::vector<std::int64_t>> stored_shape(const std::string& part) const;

  // These know the key from then on. Null counts as absent; of a number or a text it is a problem.
  const Json* find(const std::string& key);
  std::int64_t integer_or(const std::string& key, std::int64_t fallback);  // at least 1
  double number_or(const std::string& key, double fallback);
  bool boolean_or(const std::string& key, bool fallback);
  std::string text_or(const std::string& key, const std::string& fallback);
  // Keys without effect on a trained adapter.
  void ignore(std::initializer_list<const char*> keys);
  // Keys that change what the adapter computes: a problem unless empty, false or null.
  void refuse(std::initializer_list<const char*> keys);

  void problem(const std::string& text) { reader_.problem(text); }
  void warn(const std::string& text);
  void wrong(const std::string& key, const std::string& need);

  // Throws FileError with all problems. Call once, at the end.
  void finish();
  // The same where no method reads the file, so that nobody knows its other keys.
  void finish_unread();

 private:
  const Json& json_;
  ConfigReader reader_;
  std::vector<std::string>& warnings_;
  StoredShape shape_;
  std::set<std::string> known_;
};

}  // namespace svtune
