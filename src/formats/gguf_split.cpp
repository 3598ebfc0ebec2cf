#include "formats/gguf_split.h"

#include <iterator>
#include <limits>
#include <unordered_map>
#include <utility>

#include "base/errors.h"
#include "base/number_text.h"
#include "base/text_util.h"

namespace svtune {
namespace {

constexpr std::uint64_t kMaxParts = 65535;  // the key has 16 bits

std::optional<std::uint64_t> key(const GgufHeader& header, const char* name,
                                 const std::string& source) {
  const auto found = header.metadata.find(name);
  if (found == header.metadata.end()) return std::nullopt;
  if (const auto* value = std::get_if<std::uint64_t>(&found->second)) return *value;
  const auto* value = std::get_if<std::int64_t>(&found->second);
  if (value == nullptr || *value < 0) {
    throw FileError(source, std::string("key \"") + name + "\" is not a number from 0 on");
  }
  return static_cast<std::uint64_t>(*value);
}

std::string place_text(const GgufSplit& split) {
  return "part " + std::to_string(split.number + 1) + " of " + std::to_string(split.count);
}

// "-00002-of-00003.gguf".
std::string name_end(std::uint64_t number, std::uint64_t count) {
  return "-" + zero_padded(number + 1, 5) + "-of-" + zero_padded(count, 5) + ".gguf";
}

void check_part(const GgufSplit& split, std::size_t place, std::size_t count,
                const std::string& name) {
  if (split.number == place && split.count == count) return;
  throw FileError(
      name,
      "its keys say " + place_text(split) + ", but it stands for " + place_text({place, count, {}}),
      "parts of different models may be mixed up: download them again");
}

}  // namespace

GgufSplit gguf_split_of(const GgufHeader& header, const std::string& source_name) {
  GgufSplit split;
  split.count = key(header, "split.count", source_name).value_or(1);
  split.number = key(header, "split.no", source_name).value_or(0);
  split.tensors = key(header, "split.tensors.count", source_name);
  if (split.count > kMaxParts || split.number >= std::max<std::uint64_t>(split.count, 1)) {
    throw FileError(source_name, "keys \"split.no\" " + std::to_string(split.number) +
                                     " and \"split.count\" " + std::to_string(split.count) +
                                     " name no part of a split model");
  }
  if (split.count == 0) split.count = 1;
  return split;
}

std::vector<std::filesystem::path> gguf_part_paths(const std::filesystem::path& part,
                                                   const GgufSplit& split) {
  const std::string name = part.filename().string();
  const std::string end = name_end(split.number, split.count);
  if (!name.ends_with(end)) {
    throw FileError(part.string(),
                    "is " + place_text(split) +
                        " of a split GGUF model, but its name does not end in " + end +
                        ", so the other parts cannot be found",
                    "give the parts the names they had, NAME" + name_end(0, split.count) +
                        " and so on, in one folder");
  }
  const std::string stem = name.substr(0, name.size() - end.size());
  std::vector<std::filesystem::path> paths;
  std::vector<std::string> missing;
  for (std::uint64_t i = 0; i < split.count; ++i) {
    const std::string file = stem + name_end(i, split.count);
    paths.push_back(part.parent_path() / file);
    std::error_code ignored;
    if (!std::filesystem::exists(paths.back(), ignored)) missing.push_back(file);
  }
  if (missing.empty()) return paths;
  throw FileError(part.string(),
                  "is " + place_text(split) + " of a split GGUF model, and " +
                      join_some(missing, ", ") +
                      (missing.size() == 1 ? " is missing beside it" : " are missing beside it"),
                  "put all parts into one folder");
}

GgufHeader join_gguf_parts(std::vector<GgufHeader> parts, std::span<const std::string> names) {
  const std::optional<std::uint64_t> expected = gguf_split_of(parts.front(), names.front()).tensors;
  std::unordered_map<std::string, std::size_t> holders;
  std::vector<GgufTensorInfo> tensors;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    check_part(gguf_split_of(parts[i], names[i]), i, parts.size(), names[i]);
    for (GgufTensorInfo& info : parts[i].tensors) {
      const auto [holder, added] = holders.emplace(info.name, i);
      if (!added) {
        throw FileError(names[i], "tensor \"" + info.name + "\" is stored in " +
                                      names[holder->second] + " as well");
      }
      info.part = i;
      tensors.push_back(std::move(info));
    }
  }
  if (expected && *expected != tensors.size()) {
    throw FileError(names.front(), "key \"split.tensors.count\" is " + std::to_string(*expected) +
                                       ", but the " + std::to_string(parts.size()) +
                                       " parts hold " + std::to_string(tensors.size()) +
                                       " tensors");
  }
  GgufHeader whole = std::move(parts.front());
  whole.tensors = std::move(tensors);
  return whole;
}

}  // namespace svtune
