// Values as text: Python's str() and repr(), and json.dumps().
#include <algorithm>
#include <cmath>

#include "base/number_text.h"
#include "base/text_util.h"
#include "jinja/error.h"
#include "jinja/unicode.h"
#include "jinja/value_ops.h"

namespace svtune::jinja {
namespace {

void append_hex_escape(std::string& out, std::uint32_t code_point) {
  out += code_point < 0x100     ? "\\x" + hexadecimal(code_point, 2)
         : code_point < 0x10000 ? "\\u" + hexadecimal(code_point, 4)
                                : "\\U" + hexadecimal(code_point, 8);
}

void append_text_repr(std::string& out, const std::string& text) {
  const bool has_single = text.find('\'') != std::string::npos;
  const bool has_double = text.find('"') != std::string::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  out.push_back(quote);
  for (std::size_t pos = 0; pos < text.size();) {
    const std::uint32_t c = decode_utf8(text, pos);
    if (c == static_cast<unsigned char>(quote) || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (is_printable(c)) {
      append_utf8(out, c);
    } else {
      append_hex_escape(out, c);
    }
  }
  out.push_back(quote);
}

std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return python_float(value);
}

void append_repr(std::string& out, const Value& value);

void append_items(std::string& out, const ValueList& items) {
  bool first = true;
  for (const Value& item : items) {
    if (!first) out += ", ";
    first = false;
    append_repr(out, item);
  }
}

void append_sequence_repr(std::string& out, const Sequence& sequence) {
  switch (sequence.kind) {
    case SequenceKind::kTuple:
      out.push_back('(');
      append_items(out, sequence.items);
      out += sequence.items.size() == 1 ? ",)" : ")";
      return;
    case SequenceKind::kList:
      out.push_back('[');
      append_items(out, sequence.items);
      out.push_back(']');
      return;
    default:
      throw EvalError(
          "a generator, range or dict view cannot be printed; pass it through the filter 'list'");
  }
}

void append_repr(std::string& out, const Value& value) {
  if (const Text* text = value.as_text()) {
    append_text_repr(out, text->bytes);
  } else if (const Sequence* sequence = value.as_sequence()) {
    append_sequence_repr(out, *sequence);
  } else if (const Dict* dict = value.as_dict()) {
    out.push_back('{');
    bool first = true;
    for (const auto& [key, item] : dict->entries()) {
      if (!first) out += ", ";
      first = false;
      append_repr(out, key);
      out += ": ";
      append_repr(out, item);
    }
    out.push_back('}');
  } else if (value.is_undefined()) {
    out += "Undefined";
  } else {
    out += to_text(value);
  }
  check_text_size(static_cast<double>(out.size()));
}

class JsonWriter {
 public:
  explicit JsonWriter(const JsonFormat& format) : format_(format) {
    separator_ = format.item_separator ? *format.item_separator : format.indent ? "," : ", ";
  }

  std::string take() { return std::move(out_); }

  void write(const Value& value, int level) {
    if (const Text* text = value.as_text()) {
      write_string(text->bytes);
    } else if (const Sequence* sequence = value.as_sequence()) {
      write_sequence(*sequence, level);
    } else if (const Dict* dict = value.as_dict()) {
      write_dict(*dict, level);
    } else {
      write_scalar(value);
    }
    check_text_size(static_cast<double>(out_.size()));
  }

 private:
  void write_scalar(const Value& value) {
    if (value.is_none()) {
      out_ += "null";
    } else if (const bool* flag = value.get_if<bool>()) {
      out_ += *flag ? "true" : "false";
    } else if (const auto* integer = value.get_if<std::int64_t>()) {
      out_ += std::to_string(*integer);
    } else if (const auto* real = value.get_if<double>()) {
      out_ += std::isnan(*real)    ? "NaN"
              : !std::isinf(*real) ? python_float(*real)
              : *real > 0          ? "Infinity"
                                   : "-Infinity";
    } else {
      require_defined(value);
      throw EvalError(std::string("tojson: a ") + value.type_name() + " is not JSON");
    }
  }

  void write_string(const std::string& text) {
    out_.push_back('"');
    for (std::size_t pos = 0; pos < text.size();) {
      const std::uint32_t c = decode_utf8(text, pos);
      write_character(c);
    }
    out_.push_back('"');
  }

  void write_character(std::uint32_t c) {
    static constexpr std::string_view kShort = "\"\\\b\f\n\r\t";
    static constexpr std::string_view kLetters = "\"\\bfnrt";
    const std::size_t place = c < 0x80 ? kShort.find(static_cast<char>(c)) : std::string_view::npos;
    if (place != std::string_view::npos) {
      out_.push_back('\\');
      out_.push_back(kLetters[place]);
    } else if (c < 0x20 || (format_.ensure_ascii && c >= 0x7F)) {
      write_escape(c);
    } else {
      append_utf8(out_, c);
    }
  }

  void write_escape(std::uint32_t c) {
    if (c == 0x7F) {
      out_.push_back('\x7F');
    } else if (c >= 0x10000) {
      write_escape(0xD800 + ((c - 0x10000) >> 10));
      write_escape(0xDC00 + ((c - 0x10000) & 0x3FF));
    } else {
      out_ += "\\u" + hexadecimal(c, 4);
    }
  }

  void new_line(int level) {
    if (!format_.indent) return;
    out_.push_back('\n');
    check_text_size(static_cast<double>(format_.indent->size()) * level);
    for (int i = 0; i < level; ++i) out_ += *format_.indent;
  }

  void write_sequence(const Sequence& sequence, int level) {
    if (sequence.kind != SequenceKind::kList && sequence.kind != SequenceKind::kTuple) {
      throw EvalError("tojson: a generator, range or dict view is not JSON; use the filter 'list'");
    }
    out_.push_back('[');
    bool first = true;
    for (const Value& item : sequence.items) {
      if (!first) out_ += separator_;
      first = false;
      new_line(level + 1);
      write(item, level + 1);
    }
    if (!first) new_line(level);
    out_.push_back(']');
  }

  void write_key(const Value& key) {
    if (const Text* text = key.as_text()) {
      write_string(text->bytes);
    } else if (key.is_number() || key.is_none()) {
      out_.push_back('"');
      write_scalar(key);
      out_.push_back('"');
    } else {
      throw EvalError(std::string("tojson: keys must be strings, got a ") + key.type_name());
    }
  }

  void write_dict(const Dict& dict, int level) {
    std::vector<const Dict::Entry*> entries;
    for (const Dict::Entry& entry : dict.entries()) entries.push_back(&entry);
    if (format_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) {
        return compare(a->first, b->first) < 0;
      });
    }
    out_.push_back('{');
    bool first = true;
    for (const Dict::Entry* entry : entries) {
      if (!first) out_ += separator_;
      first = false;
      new_line(level + 1);
      write_key(entry->first);
      out_ += format_.key_separator;
      write(entry->second, level + 1);
    }
    if (!first) new_line(level);
    out_.push_back('}');
  }

  const JsonFormat& format_;
  std::string separator_;
  std::string out_;
};

}  // namespace

void check_text_size(double bytes) {
  if (bytes > static_cast<double>(kMaxTextBytes)) {
    throw EvalError("a string would exceed the limit of " + format_bytes(kMaxTextBytes));
  }
}

std::string to_text(const Value& value) {
  if (const Text* text = value.as_text()) return text->bytes;
  if (value.is_undefined()) return "";
  if (value.is_none()) return "None";
  if (const bool* flag = value.get_if<bool>()) return *flag ? "True" : "False";
  if (const auto* integer = value.get_if<std::int64_t>()) return std::to_string(*integer);
  if (const auto* real = value.get_if<double>()) return real_text(*real);
  if (value.as_sequence() != nullptr || value.as_dict() != nullptr) return repr(value);
  throw EvalError(std::string("a ") + value.type_name() + " cannot be printed");
}

std::string repr(const Value& value) {
  std::string out;
  append_repr(out, value);
  return out;
}

std::string to_json_text(const Value& value, const JsonFormat& format) {
  JsonWriter writer(format);
  writer.write(value, 0);
  return writer.take();
}

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out.push_back(c);
    }
  }
  check_text_size(static_cast<double>(out.size()));
  return out;
}

}  // namespace svtune::jinja
