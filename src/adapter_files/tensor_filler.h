// Fills tensors from a file of them (io/safetensors_source.h) and gathers everything in which the
// two disagree.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "io/safetensors_source.h"

namespace svtune {

class TensorFiller {
 public:
  // Throws FileError when the file is missing or malformed. Keys are those without an adapter's
  // name (adapters/peft_names.h), with the modules' checkpoint names in place of `running` ones.
  explicit TensorFiller(const std::filesystem::path& path,
                        const std::vector<RunningName>& running = {});

  // Copies `key` into a tensor of the same shape, converting the dtype; notes what is
  // missing, misshapen or not finite and leaves the tensor alone then.
  void fill(const std::string& key, const at::Tensor& into);

  bool has(const std::string& key) const { return stored_.contains(key); }
  // Whether the file has this tensor and nothing has read it yet.
  bool holds(const std::string& key) const { return unread_.contains(key); }
  std::vector<std::string> unread() const { return {unread_.begin(), unread_.end()}; }
  // Of a tensor whose values count for nothing.
  void skip(const std::string& key) { unread_.erase(key); }
  // A tensor that the file holds in another form, under the key that it is asked for by.
  void supply(const std::string& key, const at::Tensor& tensor);
  // Reads a tensor that has() is true for.
  at::Tensor take(const std::string& key, at::ScalarType dtype);

  void problem(const std::string& text) { problems_.push_back(text); }
  // Throws FileError with all problems, tensors that nobody asked for included.
  void finish();

 private:
  std::optional<at::Tensor> read(const std::string& key, at::ScalarType dtype) const;

  std::filesystem::path path_;
  SafetensorsSource file_;
  std::map<std::string, std::string> stored_;  // key -> key in the file
  std::map<std::string, at::Tensor> supplied_;
  std::set<std::string> unread_;
  std::vector<std::string> problems_;
  std::size_t not_finite_ = 0;  // among them
};

}  // namespace svtune
