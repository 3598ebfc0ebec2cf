// parse_torch_file: what the pickles of torch.save describe.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/text_util.h"
#include "formats/pickle.h"
#include "formats/torch_file.h"
#include "formats/zip_directory.h"

namespace svtune {
namespace {

using PickleKind = PickleValue::Kind;

constexpr std::string_view kDictName = "collections.OrderedDict",
                           kTensorName = "torch._utils._rebuild_tensor_v2",
                           kOldTensorName = "torch._utils._rebuild_tensor",
                           kParameterName = "torch._utils._rebuild_parameter",
                           kSizeName = "torch.Size";

struct StorageType {
  std::string_view name;
  DType dtype;
};

constexpr StorageType kStorageTypes[] = {
    {"torch.FloatStorage", DType::kF32},     {"torch.HalfStorage", DType::kF16},
    {"torch.BFloat16Storage", DType::kBF16}, {"torch.DoubleStorage", DType::kF64},
    {"torch.LongStorage", DType::kI64},      {"torch.IntStorage", DType::kI32},
    {"torch.ShortStorage", DType::kI16},     {"torch.CharStorage", DType::kI8},
    {"torch.ByteStorage", DType::kU8},       {"torch.BoolStorage", DType::kBool},
};

std::vector<std::string_view> allowed_globals() {
  std::vector<std::string_view> names = {kDictName, kTensorName, kOldTensorName, kParameterName,
                                         kSizeName};
  for (const StorageType& each : kStorageTypes) names.push_back(each.name);
  return names;
}

// A description is some hundred bytes a tensor.
constexpr std::size_t kLongestPickle = std::size_t{64} << 20;

std::span<const std::byte> pickle_at(std::span<const std::byte> file, std::size_t begin) {
  const auto rest = file.subspan(std::min(begin, file.size()));
  return rest.first(std::min(rest.size(), kLongestPickle));
}

// Where the raw numbers of one storage lie.
struct Storage {
  std::uint64_t begin = 0, bytes = 0;
};
using Storages = std::unordered_map<std::string, Storage>;

// What a persistent id says of a storage, before its place is known.
struct StorageUse {
  std::string key;
  DType dtype = DType::kF32;
  std::uint64_t elements = 0;
};

struct DescribedTensor {
  StorageUse storage;
  std::uint64_t offset = 0;  // elements
  std::vector<std::int64_t> shape, strides;
};

[[noreturn]] void fail_tensor(const std::string& source, const std::string& name,
                              const std::string& what) {
  throw FileError(source, "tensor \"" + name + "\": " + what,
                  "Save the model's state dict, best as safetensors.");
}

// Takes one described tensor apart; `name` is for messages.
class TensorDescription {
 public:
  TensorDescription(const std::string& source, const std::string& name)
      : source_(source), name_(name) {}

  DescribedTensor read(const PickleValue& value) const {
    const PickleValue* tensor = &value;
    if (value.is_call_of(kParameterName)) tensor = &argument(value, 0);
    if (!tensor->is_call_of(kTensorName) && !tensor->is_call_of(kOldTensorName)) {
      fail_tensor(source_, name_, "is no plain tensor");
    }
    DescribedTensor read{.storage = storage(argument(*tensor, 0)),
                         .offset = count(argument(*tensor, 1)),
                         .shape = counts(argument(*tensor, 2)),
                         .strides = counts(argument(*tensor, 3))};
    if (read.shape.size() != read.strides.size()) wrong();
    // torch writes a seventh argument where the numbers stand for their negatives.
    constexpr std::size_t kMeaning = 6;
    const std::vector<const PickleValue*>& all = tensor->items[1]->items;
    if (all.size() > kMeaning && all[kMeaning]->kind != PickleKind::kNone) {
      fail_tensor(source_, name_, "is a view whose numbers are not the stored ones");
    }
    return read;
  }

 private:
  [[noreturn]] void wrong() const {
    fail_tensor(source_, name_, "is described in a way that torch.save does not");
  }

  const PickleValue& argument(const PickleValue& call, std::size_t index) const {
    const PickleValue& arguments = *call.items[1];
    if (index >= arguments.items.size()) wrong();
    return *arguments.items[index];
  }

  std::uint64_t count(const PickleValue& value) const {
    if (value.kind != PickleKind::kInt || value.number < 0) wrong();
    return static_cast<std::uint64_t>(value.number);
  }

  std::vector<std::int64_t> counts(const PickleValue& value) const {
    const PickleValue& list = value.is_call_of(kSizeName) ? argument(value, 0) : value;
    constexpr std::size_t kMostAxes = 64;
    if (list.kind != PickleKind::kTuple && list.kind != PickleKind::kList) wrong();
    if (list.items.size() > kMostAxes) wrong();
    std::vector<std::int64_t> numbers;
    for (const PickleValue* each : list.items) {
      numbers.push_back(static_cast<std::int64_t>(count(*each)));
    }
    return numbers;
  }

  // ("storage", type, key, device, elements), in the older form with a view of another storage.
  StorageUse storage(const PickleValue& value) const {
    if (value.kind != PickleKind::kPersistent) wrong();
    const std::vector<const PickleValue*>& parts = value.items.front()->items;
    constexpr std::size_t kLongestKey = 64;  // a number; each tensor keeps one
    if (parts.size() < 5 || parts[0]->text != "storage" || parts[2]->kind != PickleKind::kText ||
        parts[2]->text.size() > kLongestKey) {
      wrong();
    }
    if (parts.size() > 5 && parts[5]->kind != PickleKind::kNone) {
      fail_tensor(source_, name_, "lies in a view of another storage, a form before torch 0.4");
    }
    const auto type = std::ranges::find_if(
        kStorageTypes, [&](const StorageType& each) { return parts[1]->is_global(each.name); });
    if (type == std::end(kStorageTypes)) wrong();
    return {parts[2]->text, type->dtype, count(*parts[4])};
  }

  const std::string& source_;
  const std::string& name_;
};

bool lies_row_by_row(const DescribedTensor& tensor) {
  std::uint64_t expected = 1;
  for (std::size_t axis = tensor.shape.size(); axis-- > 0;) {
    const auto size = static_cast<std::uint64_t>(tensor.shape[axis]);
    if (size == 0) return true;
    if (size != 1 && static_cast<std::uint64_t>(tensor.strides[axis]) != expected) return false;
    expected *= size;  // of a shape whose bytes were counted without an overflow
  }
  return true;
}

// Elements from the first to the last, both counted; nullopt on overflow.
std::optional<std::uint64_t> extent_of(const DescribedTensor& tensor) {
  std::uint64_t last = 0;
  for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    if (tensor.shape[axis] == 0) return 0;
    std::uint64_t step = 0;
    if (__builtin_mul_overflow(static_cast<std::uint64_t>(tensor.shape[axis] - 1),
                               static_cast<std::uint64_t>(tensor.strides[axis]), &step) ||
        __builtin_add_overflow(last, step, &last)) {
      return std::nullopt;
    }
  }
  return last == UINT64_MAX ? std::nullopt : std::optional(last + 1);
}

TorchTensor placed(const std::string& source, const std::string& name, DescribedTensor described,
                   const Storages& storages) {
  const auto found = storages.find(described.storage.key);
  if (found == storages.end()) fail_tensor(source, name, "its numbers are missing in the file");
  const DType dtype = described.storage.dtype;
  const auto width = static_cast<std::uint64_t>(dtype_bits(dtype)) / 8;
  const std::uint64_t stored = found->second.bytes / width;
  if (described.storage.elements > stored) {
    fail_tensor(source, name,
                "its storage has " + std::to_string(found->second.bytes) + " bytes, need " +
                    std::to_string(described.storage.elements) + " times " + std::to_string(width));
  }
  TorchTensor tensor;
  tensor.info = {.name = name, .dtype = dtype, .shape = described.shape};
  const std::uint64_t bytes = detail::tensor_bytes(source, name, dtype, tensor.info.shape);
  const std::optional<std::uint64_t> extent = extent_of(described);
  if (!extent || described.offset > stored || *extent > stored - described.offset) {
    fail_tensor(source, name, "reaches beyond its storage");
  }
  tensor.row_major = lies_row_by_row(described);
  if (!tensor.row_major && bytes / width > *extent) {
    fail_tensor(source, name, "repeats elements of its storage");
  }
  tensor.info.begin = found->second.begin + described.offset * width;
  tensor.info.end = tensor.info.begin + (tensor.row_major ? bytes : *extent * width);
  tensor.strides = std::move(described.strides);
  for (std::size_t axis = 0; axis < tensor.strides.size(); ++axis) {
    if (tensor.info.shape[axis] == 1) tensor.strides[axis] = 0;  // no step is taken, any is allowed
  }
  return tensor;
}

using NamedValues = std::vector<std::pair<std::string, const PickleValue*>>;

// The state dict's entries: of a dict, or of an OrderedDict whose items follow or are its argument,
// as Python 2 wrote them.
NamedValues entries_of(const PickleValue& root, const std::string& source) {
  const bool ordered = root.is_call_of(kDictName);
  if (root.kind != PickleKind::kDict && !ordered) {
    throw FileError(source, "holds no dictionary of tensors",
                    "Save the model's state dict, best as safetensors.");
  }
  auto pairs = root.pairs;
  if (ordered && !root.items[1]->items.empty()) {
    for (const PickleValue* each : root.items[1]->items.front()->items) {
      if (each->items.size() != 2) {
        throw FileError(source, "holds a dictionary with an entry that is no pair",
                        "The file is damaged: copy or download it again.");
      }
      pairs.emplace_back(each->items[0], each->items[1]);
    }
  }
  NamedValues entries;
  std::set<std::string_view> seen;
  for (const auto& [key, value] : pairs) {
    const bool control =
        std::ranges::any_of(key->text, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
    if (key->kind != PickleKind::kText || control || !is_valid_utf8(key->text)) {
      throw FileError(source, "holds a dictionary whose keys are no names of tensors",
                      "Save the model's state dict, best as safetensors.");
    }
    if (!seen.insert(key->text).second) fail_tensor(source, key->text, "occurs twice");
    entries.emplace_back(key->text, value);
  }
  return entries;
}

// Before the storages' places are known.
using Descriptions = std::vector<std::pair<std::string, DescribedTensor>>;

// Many names may share one described tensor, which takes a few bytes of the file.
void require_at_most(std::size_t count, std::size_t most, const char* what,
                     const std::string& source) {
  if (count <= most) return;
  throw FileError(source, "holds more than " + std::to_string(most) + " " + what,
                  "Save the model's state dict in several files, best as safetensors.");
}

Descriptions describe(const PickleValue& root, const std::string& source) {
  Descriptions list;
  std::size_t axes = 0;
  for (const auto& [name, value] : entries_of(root, source)) {
    list.emplace_back(name, TensorDescription(source, name).read(*value));
    axes += list.back().second.shape.size();
    require_at_most(list.size(), kMostTorchTensors, "tensors", source);
    require_at_most(axes, 8 * kMostTorchTensors, "axes of tensors", source);
  }
  return list;
}

std::vector<TorchTensor> place_all(Descriptions descriptions, const Storages& storages,
                                   const std::string& source) {
  std::vector<TorchTensor> list;
  for (auto& [name, described] : descriptions) {
    list.push_back(placed(source, name, std::move(described), storages));
  }
  return list;
}

// torch 1.6 and later: NAME/data.pkl, NAME/data/KEY, NAME/byteorder since torch 2.1.
std::vector<TorchTensor> parse_zip_form(std::span<const std::byte> file,
                                        const std::string& source) {
  std::string folder;
  const ZipEntry* description = nullptr;
  const std::vector<ZipEntry> entries = read_zip_directory(file, source);
  constexpr std::string_view kDescription = "/data.pkl", kOrder = "byteorder";
  for (const ZipEntry& each : entries) {
    if (!each.name.ends_with(kDescription)) continue;
    description = &each;
    folder = each.name.substr(0, each.name.size() - kDescription.size()) + "/";
    break;
  }
  if (description == nullptr) {
    throw FileError(source, "is a zip archive that torch.save did not write: it has no data.pkl",
                    "Save the model's state dict, best as safetensors.");
  }
  Storages storages;
  const std::string data = folder + "data/";
  for (const ZipEntry& each : entries) {
    if (each.name.starts_with(data)) {
      storages[each.name.substr(data.size())] = {each.begin, each.size};
    } else if (each.name == folder + std::string(kOrder)) {
      const auto order = file.subspan(each.begin, each.size);
      if (std::string_view(reinterpret_cast<const char*>(order.data()), order.size()) != "little") {
        throw FileError(source, "is not little-endian",
                        "Save it on a machine of the usual byte order, or as safetensors.");
      }
    }
  }
  if (description->size > kLongestPickle) {
    throw FileError(source, "describes its tensors in " + std::to_string(description->size) +
                                " bytes, allowed are " + std::to_string(kLongestPickle));
  }
  const auto globals = allowed_globals();
  const Pickle pickle(file.subspan(description->begin, description->size), source, globals);
  return place_all(describe(pickle.root(), source), storages, source);
}

// The number that a file of the older form begins with, as a pickle: 0x1950a86a20f9469cfc6c. The
// byte between the first and this is the pickle's version.
constexpr std::array<unsigned char, 13> kOldMark = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                                    0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e};
constexpr std::size_t kOldMarkAt = 2;

bool is_old_form(std::span<const std::byte> file) {
  return file.size() > kOldMarkAt + kOldMark.size() &&
         std::memcmp(file.data() + kOldMarkAt, kOldMark.data(), kOldMark.size()) == 0;
}

void require_little_endian(const PickleValue& machine, const std::string& source) {
  for (const auto& [key, value] : machine.pairs) {
    if (key->text != "little_endian" || value->number == 1) continue;
    throw FileError(source, "is not little-endian",
                    "Save it on a machine of the usual byte order, or as safetensors.");
  }
}

// Behind the pickles: each storage's number of elements in 8 bytes, then its elements.
Storages old_storages(std::span<const std::byte> file, std::uint64_t at, const PickleValue& keys,
                      const Descriptions& descriptions, const std::string& source) {
  std::unordered_map<std::string, std::uint64_t> widths;
  for (const auto& [name, described] : descriptions) {
    widths[described.storage.key] =
        static_cast<std::uint64_t>(dtype_bits(described.storage.dtype)) / 8;
  }
  Storages storages;
  for (const PickleValue* key : keys.items) {
    const auto width = widths.find(key->text);
    if (width == widths.end()) {
      throw FileError(source, "holds numbers that no tensor of its dictionary names",
                      "Save the model's state dict, best as safetensors.");
    }
    std::uint64_t elements = 0, bytes = 0;
    const bool whole = file.size() - at >= sizeof elements;
    if (whole) std::memcpy(&elements, file.data() + at, sizeof elements);
    if (!whole || __builtin_mul_overflow(elements, width->second, &bytes) ||
        bytes > file.size() - at - sizeof elements) {
      throw FileError(source, "truncated at byte " + std::to_string(file.size()),
                      "Copy or download it again.");
    }
    storages[key->text] = {at + sizeof elements, bytes};
    at += sizeof elements + bytes;
  }
  return storages;
}

// Before torch 1.6: pickles of a mark, a version, the machine, the state dict and the storages'
// keys, one behind the other.
std::vector<TorchTensor> parse_old_form(std::span<const std::byte> file,
                                        const std::string& source) {
  std::size_t at = kOldMarkAt + kOldMark.size();
  const auto globals = allowed_globals();
  const auto next = [&] {
    Pickle pickle(pickle_at(file, at), source, globals);
    at += pickle.size();
    return pickle;
  };
  constexpr std::int64_t kVersion = 1001;
  if (const Pickle version = next(); version.root().number != kVersion) {
    throw FileError(source, "is of version " + std::to_string(version.root().number) +
                                " of torch.save's old form, known is " + std::to_string(kVersion));
  }
  require_little_endian(next().root(), source);
  const Pickle state = next();
  const Pickle keys = next();
  Descriptions descriptions = describe(state.root(), source);
  const Storages storages = old_storages(file, at, keys.root(), descriptions, source);
  return place_all(std::move(descriptions), storages, source);
}

}  // namespace

std::vector<TorchTensor> parse_torch_file(std::span<const std::byte> file,
                                          const std::string& source) {
  if (is_zip(file)) return parse_zip_form(file, source);
  if (is_old_form(file)) return parse_old_form(file, source);
  throw FileError(source, "is no file that torch.save wrote",
                  "Its first bytes are neither a zip archive's nor those of torch before 1.6; was "
                  "the download complete?");
}

}  // namespace svtune
