// CheckpointWriter; see checkpoint_writer.h.
#include "formats/checkpoint_writer.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/json.h"
#include "base/number_text.h"
#include "formats/float_convert.h"

namespace svtune {
namespace {

std::string shard_name(std::size_t index, std::size_t count) {
  if (count == 1) return "model.safetensors";
  return "model-" + zero_padded(index + 1, 5) + "-of-" + zero_padded(count, 5) + ".safetensors";
}

std::uint64_t spec_bytes(const TensorSpec& spec) {
  return detail::tensor_bytes("model.safetensors", spec.name, spec.dtype, spec.shape);
}

void require_finite(const std::string& name, DType dtype, std::span<const std::byte> bytes) {
  if (all_finite(dtype, bytes)) return;
  const bool narrow = dtype == DType::kF16;
  throw ModelError(
      "tensor " + name + " would hold infinity or NaN as " + std::string(dtype_name(dtype)),
      narrow ? "fp16 ends at 65504: write bf16 or fp32"
             : "the values it is made from are not finite, or exceed the type's range");
}

}  // namespace

CheckpointWriter::CheckpointWriter(std::filesystem::path directory, std::vector<TensorSpec> specs,
                                   std::uint64_t max_shard_bytes)
    : directory_(std::move(directory)) {
  Shard current;
  std::uint64_t used = 0;
  const auto finish = [&] {
    if (!current.specs.empty()) shards_.push_back(std::exchange(current, Shard()));
    used = 0;
  };
  for (TensorSpec& spec : specs) {
    const std::uint64_t size = spec_bytes(spec);
    if (size > max_shard_bytes) {
      shards_.emplace_back().specs.push_back(std::move(spec));
      continue;
    }
    if (used + size > max_shard_bytes) finish();
    used += size;
    current.specs.push_back(std::move(spec));
  }
  finish();
  if (shards_.empty()) shards_.emplace_back();
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    auto& shard = shards_[i];
    shard.file_name = shard_name(i, shards_.size());
    std::sort(shard.specs.begin(), shard.specs.end(), [](const auto& a, const auto& b) {
      return a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name;
    });
    order_.insert(order_.end(), shard.specs.begin(), shard.specs.end());
  }
  for (const TensorSpec& spec : order_) dtypes_.emplace(spec.name, spec.dtype);
  open_shard(0);
}

void CheckpointWriter::open_shard(std::size_t shard) {
  current_ = shard;
  writer_ = std::make_unique<SafetensorsWriter>(directory_ / shards_[shard].file_name,
                                                shards_[shard].specs);
  left_in_shard_ = writer_->order().empty() ? 0 : writer_->order().back().end;
}

void CheckpointWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const auto dtype = dtypes_.find(std::string(name));
  if (dtype != dtypes_.end()) require_finite(dtype->first, dtype->second, bytes);
  while (left_in_shard_ == 0 && current_ + 1 < shards_.size()) {
    writer_->commit();
    open_shard(current_ + 1);
  }
  writer_->write(name, bytes);
  left_in_shard_ -= bytes.size();
}

void CheckpointWriter::commit() {
  while (true) {
    writer_->commit();
    if (current_ + 1 == shards_.size()) break;
    open_shard(current_ + 1);
  }
  if (shards_.size() > 1) write_index();
}

void CheckpointWriter::write_index() const {
  std::uint64_t total = 0;
  std::uint64_t parameters = 0;
  std::map<std::string, std::string> files;
  for (const Shard& shard : shards_) {
    for (const TensorSpec& spec : shard.specs) {
      const std::uint64_t size = spec_bytes(spec);
      total += size;
      parameters += size * 8 / static_cast<std::uint64_t>(dtype_bits(spec.dtype));
      files[spec.name] = shard.file_name;
    }
  }
  Json index = {{"metadata", {{"total_parameters", parameters}, {"total_size", total}}},
                {"weight_map", Json::object()}};
  for (const auto& [name, file] : files) append_member(index["weight_map"], name, file);
  JsonStyle style;
  style.indent = 2;
  style.final_newline = true;
  write_file_atomic(directory_ / "model.safetensors.index.json", dump_json(index, style));
}

}  // namespace svtune
