// The data of a Python pickle, without running anything: names of classes and functions stay names,
// calls stay calls. Only the opcodes that torch.save writes are read.
// Opcodes: Python's Lib/pickletools.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace svtune {

struct PickleValue {
  enum class Kind {
    kNone,
    kBool,        // number
    kInt,         // number
    kFloat,       // value is not kept
    kText,        // text
    kTuple,       // items
    kList,        // items
    kDict,        // pairs
    kGlobal,      // text: "module.name"
    kCall,        // items: what is called, its arguments; pairs: what was put in afterwards
    kPersistent,  // items: the one description of a thing outside of the pickle
  };

  Kind kind = Kind::kNone;
  std::int64_t number = 0;
  std::string text = {};
  std::vector<const PickleValue*> items = {};
  std::vector<std::pair<const PickleValue*, const PickleValue*>> pairs = {};

  // A call of `name`, or `name` itself.
  bool is_call_of(std::string_view name) const {
    return kind == Kind::kCall && items.front()->is_global(name);
  }
  bool is_global(std::string_view name) const { return kind == Kind::kGlobal && text == name; }
};

// A state dict has some twenty for each tensor, and as many references between them. A value is
// some hundred bytes, so that a pickle takes some hundred MiB at most, however small its file is.
inline constexpr std::size_t kMostPickleValues = std::size_t{1} << 20;
inline constexpr std::size_t kMostPickleReferences = std::size_t{1} << 22;

// Values point at each other, also in rings, and live as long as this object.
class Pickle {
 public:
  // The pickle at the start of `bytes`; what follows its end is not looked at. Throws FileError
  // naming `source` and the byte: truncated, an opcode that torch.save does not write, a class or
  // function that is not in `globals`, more than kMostPickleValues (made, kept for later, or on the
  // stack with its marks) or kMostPickleReferences.
  Pickle(std::span<const std::byte> bytes, const std::string& source,
         std::span<const std::string_view> globals);
  Pickle(Pickle&&) = default;
  Pickle(const Pickle&) = delete;

  const PickleValue& root() const { return *root_; }
  // Bytes of the pickle.
  std::size_t size() const { return size_; }

 private:
  friend class PickleMachine;

  std::deque<PickleValue> values_;  // never move
  const PickleValue* root_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace svtune
