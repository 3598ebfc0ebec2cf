// CheckpointFiles; see checkpoint_files.h.
#include "formats/checkpoint_files.h"

#include <algorithm>

#include "base/errors.h"
#include "base/json.h"
#include "base/text_util.h"

namespace svtune {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";

bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of("/\\") == std::string::npos && name.find('\0') == std::string::npos;
}

// shard file name -> tensor names, checked.
std::map<std::string, std::vector<std::string>> read_index(const fs::path& path) {
  JsonOptions options;
  options.reject_duplicate_keys = true;
  const Json index = parse_json(read_file(path, 1U << 28), path.string(), options);
  const std::string source = path.string();
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    throw FileError(source, "key \"weight_map\" is missing or not an object");
  }
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [name, file] : index["weight_map"].items()) {
    if (!file.is_string()) {
      throw FileError(source, "weight_map entry \"" + name + "\" is not a file name");
    }
    const std::string file_name = file.get<std::string>();
    if (!is_plain_name(file_name)) {
      throw FileError(source,
                      "weight_map entry \"" + name + "\" names \"" + file_name +
                          "\", which is not a plain file name",
                      "shards must lie in the model's own directory");
    }
    shards[file_name].push_back(name);
  }
  if (shards.empty()) throw FileError(source, "weight_map is empty");
  return shards;
}

[[noreturn]] void throw_no_weights(const fs::path& directory) {
  std::error_code error;
  std::string hint = "need model.safetensors or model.safetensors.index.json";
  if (fs::exists(directory / "pytorch_model.bin", error) ||
      fs::exists(directory / "pytorch_model.bin.index.json", error)) {
    hint = "pytorch_model.bin is a pickle and is not read: save the model as safetensors";
  }
  throw FileError(directory.string(), "has no model weights", hint);
}

}  // namespace

CheckpointFiles::CheckpointFiles(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    throw FileError(path.string(), "does not exist", "check the spelling of the path");
  }
  if (!fs::is_directory(path, error)) {
    add_single(path);
  } else if (fs::exists(path / kSingleName, error)) {
    add_single(path / kSingleName);
  } else if (fs::exists(path / kIndexName, error)) {
    add_sharded(path / kIndexName);
  } else {
    throw_no_weights(path);
  }
}

void CheckpointFiles::add_single(const fs::path& file) {
  list_ = file;
  const SafetensorsFile& opened = files_.emplace_back(file);
  for (const TensorInfo& info : opened.tensors()) entries_[info.name] = {&opened, &info};
}

void CheckpointFiles::add_sharded(const fs::path& index) {
  list_ = index;
  const auto shards = read_index(index);
  files_.reserve(shards.size());  // entries point into this vector
  std::vector<std::string> missing;
  for (const auto& [file_name, names] : shards) {
    const SafetensorsFile& file = files_.emplace_back(index.parent_path() / file_name);
    for (const std::string& name : names) {
      const TensorInfo* info = file.find(name);
      if (info == nullptr) {
        missing.push_back(name + " (" + file_name + ")");
      } else {
        entries_[name] = {&file, info};
      }
    }
  }
  if (!missing.empty()) {
    throw FileError(index.string(),
                    "names tensors that their shards lack: " + join_some(missing, ", "),
                    "the shards and the index are of different versions: download both again");
  }
  std::vector<std::string> twice;
  for (const SafetensorsFile& file : files_) {
    for (const TensorInfo& info : file.tensors()) {
      const auto entry = find(info.name);
      if (!entry) {
        unindexed_.push_back(info.name);
      } else if (entry->info != &info) {
        twice.push_back(info.name);
      }
    }
  }
  if (!twice.empty()) {
    throw FileError(index.string(),
                    "tensors stored in more than one shard: " + join_some(twice, ", "));
  }
}

std::optional<CheckpointFiles::Entry> CheckpointFiles::find(std::string_view name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return std::nullopt;
  return found->second;
}

const fs::path& CheckpointFiles::place_of(std::string_view name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? list_ : found->second.file->path();
}

std::uint64_t CheckpointFiles::total_bytes() const {
  std::uint64_t total = 0;
  for (const auto& [name, entry] : entries_) total += entry.info->byte_size();
  return total;
}

}  // namespace svtune
