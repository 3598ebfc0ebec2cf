#include "adapters/peft_keys.h"

#include <utility>

namespace svtune {
namespace {

bool is_empty_value(const Json& value) {
  return value.is_null() || value == Json(false) ||
         ((value.is_object() || value.is_array()) && value.empty());
}

// PEFT turns a technique on with true or with its settings; a number or a text alone is a parameter
// of one.
bool turns_something_on(const Json& value) {
  return value == Json(true) || ((value.is_object() || value.is_array()) && !value.empty());
}

}  // namespace

PeftKeys::PeftKeys(const Json& json, const std::string& source, std::vector<std::string>& warnings,
                   StoredShape shape)
    : json_(json), reader_(json, source), warnings_(warnings), shape_(std::move(shape)) {}

std::string PeftKeys::type() const {
  const auto found = json_.find("peft_type");
  return found != json_.end() && found->is_string() ? found->get<std::string>() : "";
}

std::optional<std::vector<std::int64_t>> PeftKeys::stored_shape(const std::string& part) const {
  return shape_ ? shape_(part) : std::nullopt;
}

const Json* PeftKeys::find(const std::string& key) {
  known_.insert(key);
  return reader_.find(key);
}

std::int64_t PeftKeys::integer_or(const std::string& key, std::int64_t fallback) {
  known_.insert(key);
  if (reader_.is_null(key)) wrong(key, "a number, not null");
  return reader_.integer_or(key, fallback);
}

double PeftKeys::number_or(const std::string& key, double fallback) {
  known_.insert(key);
  if (reader_.is_null(key)) wrong(key, "a number, not null");
  return reader_.number_or(key, fallback);
}

bool PeftKeys::boolean_or(const std::string& key, bool fallback) {
  known_.insert(key);
  return reader_.boolean_or(key, fallback);
}

std::string PeftKeys::text_or(const std::string& key, const std::string& fallback) {
  known_.insert(key);
  if (reader_.is_null(key)) wrong(key, "text, not null");
  return reader_.text_or(key, fallback);
}

void PeftKeys::ignore(std::initializer_list<const char*> keys) {
  known_.insert(keys.begin(), keys.end());
}

void PeftKeys::refuse(std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    known_.insert(key);
    const auto found = json_.find(key);
    if (found == json_.end() || is_empty_value(*found)) continue;
    problem(std::string(key) + " changes what the adapter computes and is not supported");
  }
}

void PeftKeys::warn(const std::string& text) { warnings_.push_back(text); }

void PeftKeys::wrong(const std::string& key, const std::string& need) {
  problem(key + " must be " + need);
}

void PeftKeys::finish_unread() {
  reader_.finish("Merge the adapter with PEFT and load the merged model.");
}

void PeftKeys::finish() {
  bool unknown = false;
  for (const auto& [key, value] : json_.items()) {
    if (known_.contains(key)) continue;
    if (!turns_something_on(value)) {
      warnings_.push_back("unknown key " + key + " is ignored");
      continue;
    }
    unknown = true;
    problem("the key " + key + " is unknown and may change what the adapter computes");
  }
  reader_.finish(unknown ? "Take unknown keys out if they do not, or merge the adapter with the "
                           "program that wrote it."
                         : "");
}

}  // namespace svtune
