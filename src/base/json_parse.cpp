// Recursive-descent JSON reader (RFC 8259 plus the extensions named in json.h). Own code
// because the library's reader refuses NaN, lone surrogates and a second key, and inserts
// into ordered objects in quadratic time, which a 150,000-entry vocabulary cannot afford.
#include <charconv>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "base/errors.h"
#include "base/files.h"
#include "base/json.h"
#include "base/number_text.h"
#include "base/text_util.h"

namespace svtune {
namespace {

constexpr std::size_t kLinearSearchKeys = 16;

class Parser {
 public:
  Parser(std::string_view text, const std::string& source, JsonOptions options)
      : text_(text), source_(source), options_(options) {}

  Json parse() {
    if (text_.starts_with(kByteOrderMark)) pos_ = kByteOrderMark.size();
    if (text_.starts_with("\xFF\xFE") || text_.starts_with("\xFE\xFF")) {
      fail("the text is UTF-16, need UTF-8");
    }
    if (const auto bad = find_invalid_utf8(text_); bad != std::string_view::npos) {
      pos_ = bad;
      fail("invalid UTF-8");
    }
    Json value = parse_value(0);
    skip_space();
    if (pos_ != text_.size()) fail("text after the end of the JSON value");
    return value;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    std::int64_t line = options_.first_line;
    std::size_t start = 0;
    for (std::size_t i = 0; i < pos_ && i < text_.size(); ++i) {
      if (text_[i] == '\n') {
        ++line;
        start = i + 1;
      }
    }
    throw FileError(source_ + ":" + std::to_string(line) + ":" + std::to_string(pos_ - start + 1),
                    "malformed JSON: " + what);
  }

  bool at_end() const { return pos_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[pos_]; }

  void skip_space() {
    while (!at_end()) {
      const char c = text_[pos_];
      if (c != ' ' && c != '\t' && c != '\n' && c != '\r') return;
      ++pos_;
    }
  }

  bool take(std::string_view word) {
    if (!text_.substr(pos_).starts_with(word)) return false;
    pos_ += word.size();
    return true;
  }

  Json parse_value(int depth) {
    if (depth > options_.max_depth) {
      fail("nested deeper than " + std::to_string(options_.max_depth) + " levels");
    }
    skip_space();
    if (at_end()) fail("unexpected end of the text");
    switch (text_[pos_]) {
      case '{':
        return parse_object(depth);
      case '[':
        return parse_array(depth);
      case '"':
        return Json(parse_string());
      case 't':
        if (take("true")) return Json(true);
        break;
      case 'f':
        if (take("false")) return Json(false);
        break;
      case 'n':
        if (take("null")) return Json(nullptr);
        break;
      case 'N':
        if (take("NaN")) return Json(std::numeric_limits<double>::quiet_NaN());
        break;
      case 'I':
        if (take("Infinity")) return Json(std::numeric_limits<double>::infinity());
        break;
      default:
        return parse_number();
    }
    fail("unknown word, need a value");
  }

  Json parse_array(int depth) {
    Json array = Json::array();
    auto& items = array.get_ref<Json::array_t&>();
    ++pos_;
    skip_space();
    if (peek() == ']') return ++pos_, array;
    while (true) {
      items.push_back(parse_value(depth + 1));
      skip_space();
      const char c = peek();
      if (c != ',' && c != ']') fail("need ',' or ']' after an array element");
      ++pos_;
      if (c == ']') return array;
    }
  }

  Json parse_object(int depth) {
    Json object = Json::object();
    // The vector beneath the ordered map: appending skips its linear search per insertion.
    auto& items = static_cast<Json::object_t::Container&>(object.get_ref<Json::object_t&>());
    std::unordered_map<std::string_view, std::size_t> places;
    std::size_t indexed = 0;
    ++pos_;
    skip_space();
    if (peek() == '}') return ++pos_, object;
    while (true) {
      skip_space();
      if (peek() != '"') fail("need a key in double quotes");
      const std::size_t key_pos = pos_;
      std::string key = parse_string();
      skip_space();
      if (peek() != ':') fail("need ':' after a key");
      ++pos_;
      const std::size_t place = find_key(items, key, places, indexed);
      Json value = parse_value(depth + 1);
      if (place < items.size() && options_.reject_duplicate_keys && items[place].second != value) {
        pos_ = key_pos;
        fail("key \"" + key + "\" occurs twice, with different values");
      }
      if (place < items.size()) {
        items[place].second = std::move(value);
      } else {
        if (items.size() == items.capacity()) indexed = 0;  // keys move, views die
        items.emplace_back(std::move(key), std::move(value));
      }
      skip_space();
      const char c = peek();
      if (c != ',' && c != '}') fail("need ',' or '}' after a value");
      ++pos_;
      if (c == '}') return object;
    }
  }

  // Place of `key` in `items`, or items.size(). Small objects are searched directly; larger
  // ones through `places`, which covers the first `indexed` items (0: rebuild).
  static std::size_t find_key(const Json::object_t::Container& items, const std::string& key,
                              std::unordered_map<std::string_view, std::size_t>& places,
                              std::size_t& indexed) {
    if (items.size() < kLinearSearchKeys) {
      for (std::size_t i = 0; i < items.size(); ++i) {
        if (items[i].first == key) return i;
      }
      return items.size();
    }
    if (indexed == 0) places.clear();
    for (; indexed < items.size(); ++indexed) places.emplace(items[indexed].first, indexed);
    const auto found = places.find(key);
    return found == places.end() ? items.size() : found->second;
  }

  Json parse_number() {
    const std::size_t begin = pos_;
    const bool negative = peek() == '-';
    if (negative) ++pos_;
    if (negative && take("Infinity")) return Json(-std::numeric_limits<double>::infinity());
    const auto digits = [&] {
      const std::size_t first = pos_;
      while (peek() >= '0' && peek() <= '9') ++pos_;
      return pos_ - first;
    };
    const bool leading_zero = peek() == '0';
    const std::size_t count = digits();
    if (count == 0) fail("unexpected character, need a value");
    if (leading_zero && count > 1) fail("number with a leading zero");
    bool integer = true;
    if (peek() == '.') {
      integer = false;
      ++pos_;
      if (digits() == 0) fail("need a digit after '.'");
    }
    if (peek() == 'e' || peek() == 'E') {
      integer = false;
      ++pos_;
      if (peek() == '+' || peek() == '-') ++pos_;
      if (digits() == 0) fail("need a digit in the exponent");
    }
    return to_number(text_.substr(begin, pos_ - begin), integer, negative);
  }

  static Json to_number(std::string_view text, bool integer, bool negative) {
    const char* end = text.data() + text.size();
    if (integer && negative) {
      std::int64_t value = 0;
      if (std::from_chars(text.data(), end, value).ec == std::errc()) return Json(value);
    } else if (integer) {
      std::uint64_t value = 0;
      if (std::from_chars(text.data(), end, value).ec == std::errc()) {
        const bool fits = value <= std::uint64_t(std::numeric_limits<std::int64_t>::max());
        return fits ? Json(static_cast<std::int64_t>(value)) : Json(value);
      }
    }
    // Overflow gives infinity and underflow zero, as Python's float() does.
    return Json(parse_decimal(text).value());
  }

  std::string parse_string() {
    std::string out;
    ++pos_;
    while (true) {
      const std::size_t begin = pos_;
      while (!at_end() && text_[pos_] != '"' && text_[pos_] != '\\' &&
             static_cast<unsigned char>(text_[pos_]) >= 0x20) {
        ++pos_;
      }
      out.append(text_.substr(begin, pos_ - begin));
      if (at_end()) fail("string without a closing quote");
      if (text_[pos_] == '"') return ++pos_, out;
      if (text_[pos_] != '\\') fail("control character inside a string");
      parse_escape(out);
    }
  }

  void parse_escape(std::string& out) {
    ++pos_;
    const char c = peek();
    constexpr std::string_view kFrom = "\"\\/bfnrt";
    constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
    if (const auto i = kFrom.find(c); c != '\0' && i != std::string_view::npos) {
      ++pos_;
      out.push_back(kTo[i]);
      return;
    }
    if (c != 'u') fail("unknown escape in a string");
    ++pos_;
    std::uint32_t code = parse_hex4();
    if (code >= 0xD800 && code < 0xDC00 && text_.substr(pos_).starts_with("\\u")) {
      const std::size_t before = pos_;
      pos_ += 2;
      const std::uint32_t low = parse_hex4();
      if (low >= 0xDC00 && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      } else {
        pos_ = before;
      }
    }
    if (code >= 0xD800 && code < 0xE000) {
      code = 0xFFFD;
      if (options_.lone_surrogates != nullptr) ++*options_.lone_surrogates;
    }
    append_utf8(out, code);
  }

  std::uint32_t parse_hex4() {
    const std::string_view digits = text_.substr(pos_, 4);
    std::uint32_t code = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (digits.size() < 4 || result.ec != std::errc() || result.ptr != digits.data() + 4) {
      fail("need four hexadecimal digits after \\u");
    }
    pos_ += 4;
    return code;
  }

  std::string_view text_;
  const std::string& source_;
  JsonOptions options_;
  std::size_t pos_ = 0;
};

}  // namespace

Json parse_json(std::string_view text, const std::string& source_name, JsonOptions options) {
  return Parser(text, source_name, options).parse();
}

void append_member(Json& object, std::string key, Json value) {
  auto& items = static_cast<Json::object_t::Container&>(object.get_ref<Json::object_t&>());
  items.emplace_back(std::move(key), std::move(value));
}

Json read_json_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  return parse_json(read_file(path, max_bytes), path.string(), {.reject_duplicate_keys = true});
}

Json read_json_object(const std::filesystem::path& path) {
  Json json = read_json_file(path);
  if (!json.is_object()) {
    throw FileError(path.string(), "holds " + std::string(json.type_name()) + ", need an object");
  }
  return json;
}

}  // namespace svtune
