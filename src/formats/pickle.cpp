#include "formats/pickle.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "base/errors.h"

namespace svtune {

// The stack machine that a pickle is a program for.
class PickleMachine {
 public:
  PickleMachine(Pickle& pickle, std::span<const std::byte> bytes, const std::string& source,
                std::span<const std::string_view> globals)
      : pickle_(pickle), bytes_(bytes), source_(source), globals_(globals) {}

  void run() {
    while (true) {
      opcode_at_ = pos_;
      const auto opcode = static_cast<unsigned char>(number<std::uint8_t>());
      if (opcode == '.') break;
      if (!constant(opcode) && !container(opcode) && !memory(opcode) && !object(opcode)) {
        constexpr std::string_view kDigits = "0123456789abcdef";
        fail(std::string("opcode 0x") + kDigits[opcode / 16] + kDigits[opcode % 16] +
             " is none that torch.save writes");
      }
    }
    pickle_.root_ = pop();
    pickle_.size_ = pos_;
  }

 private:
  using Kind = PickleValue::Kind;

  bool constant(unsigned char opcode) {
    switch (opcode) {
      case 'N':
        return push({});
      case 0x88:  // NEWTRUE
      case 0x89:  // NEWFALSE
        return push({.kind = Kind::kBool, .number = opcode == 0x88 ? 1 : 0});
      case 'K':
        return push_integer(number<std::uint8_t>());
      case 'M':
        return push_integer(number<std::uint16_t>());
      case 'J':
        return push_integer(number<std::int32_t>());
      case 0x8a:  // LONG1
        return push_integer(long_integer());
      case 'G':
        take(8);
        return push({.kind = Kind::kFloat});
      case 'X':  // BINUNICODE
      case 'T':  // BINSTRING
        return push_text(number<std::uint32_t>());
      case 0x8c:  // SHORT_BINUNICODE
      case 'U':   // SHORT_BINSTRING
        return push_text(number<std::uint8_t>());
      default:
        return false;
    }
  }

  bool container(unsigned char opcode) {
    switch (opcode) {
      case ')':
        return push({.kind = Kind::kTuple});
      case ']':
        return push({.kind = Kind::kList});
      case '}':
        return push({.kind = Kind::kDict});
      case '(':
        require_room();
        marks_.push_back(stack_.size());
        return true;
      case 't':
        return push({.kind = Kind::kTuple, .items = since_mark()});
      case 0x85:  // TUPLE1
      case 0x86:  // TUPLE2
      case 0x87:  // TUPLE3
        return push({.kind = Kind::kTuple, .items = pop_last(opcode - 0x84U)});
      case 'a':
        return append(pop_last(1));
      case 'e':
        return append(since_mark());
      case 's':
        return set_items(pop_last(2));
      case 'u':
        return set_items(since_mark());
      default:
        return false;
    }
  }

  bool memory(unsigned char opcode) {
    switch (opcode) {
      case 0x80:  // PROTO
        take(1);
        return true;
      case 0x95:  // FRAME
        take(8);
        return true;
      case 'q':
        return remember(number<std::uint8_t>());
      case 'r':
        return remember(number<std::uint32_t>());
      case 0x94:  // MEMOIZE
        return remember(static_cast<std::uint32_t>(memo_.size()));
      case 'h':
        return recall(number<std::uint8_t>());
      case 'j':
        return recall(number<std::uint32_t>());
      default:
        return false;
    }
  }

  bool object(unsigned char opcode) {
    switch (opcode) {
      case 'c': {
        const std::string module = line();
        return push_global(module + "." + line());
      }
      case 0x93: {  // STACK_GLOBAL
        const auto names = pop_last(2);
        if (names[0]->kind != Kind::kText || names[1]->kind != Kind::kText) {
          fail("the name of a class is no text");
        }
        return push_global(names[0]->text + "." + names[1]->text);
      }
      case 'R': {
        const auto parts = pop_last(2);
        if (parts[0]->kind != Kind::kGlobal || parts[1]->kind != Kind::kTuple) {
          fail("what is called is no function, or its arguments are no tuple");
        }
        return push({.kind = Kind::kCall, .items = {parts[0], parts[1]}});
      }
      case 'Q':
        return push({.kind = Kind::kPersistent, .items = pop_last(1)});
      case 'b':
        // The object's attributes: the versions of modules, in a state dict.
        pop();
        top();
        return true;
      default:
        return false;
    }
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw FileError(source_, "pickle, byte " + std::to_string(opcode_at_) + ": " + what,
                    "The file is damaged, or torch.save did not write it.");
  }

  std::span<const std::byte> take(std::size_t count) {
    if (count > bytes_.size() - pos_) fail("truncated");
    const auto part = bytes_.subspan(pos_, count);
    pos_ += count;
    return part;
  }

  template <class Number>
  Number number() {
    Number value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  // Little-endian two's complement of any length; beyond 8 bytes nothing here needs one.
  std::int64_t long_integer() {
    const auto bytes = take(number<std::uint8_t>());
    if (bytes.size() > sizeof(std::int64_t)) fail("an integer of more than 64 bits");
    if (bytes.empty()) return 0;
    const bool negative = (static_cast<unsigned char>(bytes.back()) & 0x80U) != 0;
    std::array<unsigned char, sizeof(std::int64_t)> wide;
    wide.fill(negative ? 0xFF : 0);
    std::memcpy(wide.data(), bytes.data(), bytes.size());
    std::int64_t value = 0;
    std::memcpy(&value, wide.data(), sizeof value);
    return value;
  }

  std::string line() {
    const auto rest = bytes_.subspan(pos_);
    const auto end = std::ranges::find(rest, std::byte{'\n'});
    const auto length = static_cast<std::size_t>(end - rest.begin());
    const std::string text(reinterpret_cast<const char*>(rest.data()), length);
    take(length + 1);
    return text;
  }

  // A value takes a hundred times the byte that may ask for it, a mark or a reference eight times.
  void require_fewer(std::size_t held) const {
    if (held < kMostPickleValues) return;
    fail("more than " + std::to_string(kMostPickleValues) + " values");
  }
  void require_room() const {
    if (stack_.size() + marks_.size() < kMostPickleValues) return;
    fail("more than " + std::to_string(kMostPickleValues) + " values and marks on the stack");
  }
  void add_references(std::size_t count) {
    references_ += count;
    if (references_ <= kMostPickleReferences) return;
    fail("more than " + std::to_string(kMostPickleReferences) + " references to values");
  }

  bool push(PickleValue value) {
    require_fewer(pickle_.values_.size());
    require_room();
    add_references(value.items.size());
    stack_.push_back(&pickle_.values_.emplace_back(std::move(value)));
    return true;
  }
  bool push_integer(std::int64_t value) { return push({.kind = Kind::kInt, .number = value}); }
  bool push_text(std::size_t length) {
    const auto part = take(length);
    return push({.kind = Kind::kText,
                 .text = std::string(reinterpret_cast<const char*>(part.data()), part.size())});
  }

  bool push_global(std::string name) {
    if (std::ranges::find(globals_, name) == globals_.end()) {
      constexpr std::size_t kShown = 80;
      std::string shown = name.substr(0, kShown);
      std::ranges::replace_if(shown, [](unsigned char c) { return c < 0x20 || c >= 0x7F; }, '?');
      throw FileError(source_,
                      "holds an object of Python, \"" + shown +
                          "\", and svtune reads plain tensors alone and runs nothing",
                      "Save the model's state dict, best as safetensors.");
    }
    return push({.kind = Kind::kGlobal, .text = std::move(name)});
  }

  bool remember(std::uint32_t place) {
    require_fewer(memo_.size());
    memo_[place] = top();
    return true;
  }

  bool recall(std::uint32_t place) {
    const auto found = memo_.find(place);
    if (found == memo_.end()) fail("refers to a value that was not stored");
    require_room();
    stack_.push_back(found->second);
    return true;
  }

  // The lowest place of the stack that may be taken: values below the last mark are not ours.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  PickleValue* top() const {
    if (stack_.size() <= floor()) fail("the stack is empty");
    return stack_.back();
  }

  PickleValue* pop() {
    PickleValue* value = top();
    stack_.pop_back();
    return value;
  }

  std::vector<const PickleValue*> pop_last(std::size_t count) {
    if (stack_.size() - floor() < count) fail("the stack is empty");
    const auto begin = stack_.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<const PickleValue*> values(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    return values;
  }

  std::vector<const PickleValue*> since_mark() {
    if (marks_.empty()) fail("a mark is missing");
    auto values = pop_last(stack_.size() - floor());
    marks_.pop_back();
    return values;
  }

  bool append(const std::vector<const PickleValue*>& values) {
    PickleValue* list = top();
    if (list->kind != Kind::kList) fail("appends to what is no list");
    add_references(values.size());
    list->items.insert(list->items.end(), values.begin(), values.end());
    return true;
  }

  bool set_items(const std::vector<const PickleValue*>& values) {
    PickleValue* dict = top();
    if ((dict->kind != Kind::kDict && dict->kind != Kind::kCall) || values.size() % 2 != 0) {
      fail("puts items into what is no dictionary");
    }
    add_references(values.size());
    for (std::size_t i = 0; i < values.size(); i += 2) {
      dict->pairs.emplace_back(values[i], values[i + 1]);
    }
    return true;
  }

  Pickle& pickle_;
  std::span<const std::byte> bytes_;
  const std::string& source_;
  std::span<const std::string_view> globals_;
  std::size_t pos_ = 0, opcode_at_ = 0;
  std::size_t references_ = 0;  // of all values
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, PickleValue*> memo_;
};

Pickle::Pickle(std::span<const std::byte> bytes, const std::string& source,
               std::span<const std::string_view> globals) {
  PickleMachine(*this, bytes, source, globals).run();
}

}  // namespace svtune
