// CheckpointFiles; see checkpoint_files.h.
#include "formats/checkpoint_files.h"

#include <algorithm>
#include <iterator>

#include "base/errors.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text_util.h"
#include "formats/safetensors.h"
#include "formats/torch_file.h"

namespace svtune {
namespace {

namespace fs = std::filesystem;

// The order in which they are looked for is transformers'.
struct CheckpointName {
  const char* name;
  bool index;
};
constexpr CheckpointName kWeightFiles[] = {{"model.safetensors", false},
                                           {"model.safetensors.index.json", true},
                                           {"pytorch_model.bin", false},
                                           {"pytorch_model.bin.index.json", true}};

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

std::unique_ptr<const TensorStore> open_store(const fs::path& path) {
  if (is_torch_file_name(path)) return std::make_unique<const TorchFile>(path);
  return std::make_unique<const SafetensorsFile>(path);
}

[[noreturn]] void throw_no_weights(const fs::path& directory) {
  std::vector<std::string> names;
  for (const CheckpointName& each : kWeightFiles) names.emplace_back(each.name);
  throw FileError(directory.string(), "has no model weights", "need one of " + join(names, ", "));
}

}  // namespace

CheckpointFiles::CheckpointFiles(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    throw FileError(path.string(), "does not exist", "check the spelling of the path");
  }
  if (!fs::is_directory(path, error)) {
    add_single(path);
    return;
  }
  const auto* found = std::ranges::find_if(kWeightFiles, [&](const CheckpointName& each) {
    std::error_code ignored;
    return fs::exists(path / each.name, ignored);
  });
  if (found == std::end(kWeightFiles)) throw_no_weights(path);
  if (found->index) {
    add_sharded(path / found->name);
  } else {
    add_single(path / found->name);
  }
}

void CheckpointFiles::add_single(const fs::path& file) {
  list_ = file;
  const TensorStore& opened = *files_.emplace_back(open_store(file));
  for (const TensorInfo& info : opened.tensors()) entries_[info.name] = {&opened, &info};
}

void CheckpointFiles::add_sharded(const fs::path& index) {
  list_ = index;
  const auto shards = read_index(index);
  std::vector<std::string> missing;
  for (const auto& [file_name, names] : shards) {
    const TensorStore& file = *files_.emplace_back(open_store(index.parent_path() / file_name));
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
  for (const auto& file : files_) {
    for (const TensorInfo& info : file->tensors()) {
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
