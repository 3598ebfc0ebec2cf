// Normalisers of tokenizer.json: text to text, applied to every stretch between added tokens
// before it is split into words.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/json_part.h"
#include "text/unicode_form.h"

namespace svtune {

// Immutable and thread-safe.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  // Changes `text` (valid UTF-8 before and after) in place.
  virtual void apply(std::string& text) const = 0;
};

// A text of rules that is put into every stretch: throws FileError when it is longer than 1 KiB.
std::string short_text(const JsonPart& part, const char* key);

// Refuses rules that multiply a text: throws RunError when it grew from `before` to `after` bytes
// and that is both far more and a lot.
void check_growth(std::size_t before, std::size_t after);

// A pattern of tokenizer.json, {"String": ...} or {"Regex": ...}, and what replaces it. Also
// used by the Replace decoder.
class Replacement {
 public:
  // Throws FileError when the pattern does not compile or the content is longer than 1 KiB.
  explicit Replacement(const JsonPart& part);
  Replacement(std::string from, std::string to);
  ~Replacement();
  Replacement(Replacement&&) noexcept;
  Replacement& operator=(Replacement&&) noexcept;

  // Throws RunError when the text becomes huge.
  void apply(std::string& text) const;

 private:
  struct Pattern;
  std::unique_ptr<Pattern> pattern_;
  std::string to_;
};

std::unique_ptr<Normalizer> make_unicode_normalizer(UnicodeForm form);
std::unique_ptr<Normalizer> make_lowercase_normalizer();
std::unique_ptr<Normalizer> make_byte_level_normalizer();  // bytes in GPT-2's notation
std::unique_ptr<Normalizer> make_prepend_normalizer(std::string prefix);
std::unique_ptr<Normalizer> make_replace_normalizer(Replacement replacement);
std::unique_ptr<Normalizer> make_strip_normalizer(bool left, bool right);  // white space
std::unique_ptr<Normalizer> make_normalizer_sequence(
    std::vector<std::unique_ptr<Normalizer>> steps);

}  // namespace svtune
