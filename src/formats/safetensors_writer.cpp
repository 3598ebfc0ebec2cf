// SafetensorsWriter; see safetensors_writer.h.
#include "formats/safetensors_writer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/errors.h"

namespace svtune {
namespace {

constexpr std::size_t kAlignment = 8;

std::vector<TensorInfo> lay_out(const std::string& path, std::vector<TensorSpec> specs) {
  std::sort(specs.begin(), specs.end(), [](const TensorSpec& a, const TensorSpec& b) {
    return a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name;
  });
  std::vector<TensorInfo> infos;
  std::uint64_t offset = 0;
  for (TensorSpec& spec : specs) {
    const std::uint64_t size = detail::tensor_bytes(path, spec.name, spec.dtype, spec.shape);
    if (offset + size < offset) throw FileError(path, "the tensors exceed 2^64 bytes");
    infos.push_back(
        {std::move(spec.name), spec.dtype, std::move(spec.shape), offset, offset + size});
    offset += size;
  }
  return infos;
}

void check_names(const std::string& path, const std::vector<TensorInfo>& infos) {
  std::vector<std::string_view> names;
  for (const TensorInfo& info : infos) {
    const bool control = std::any_of(info.name.begin(), info.name.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    });
    if (control || info.name == "__metadata__") {
      throw FileError(path, "\"" + info.name + "\" is not a tensor name");
    }
    names.push_back(info.name);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    throw FileError(path, "tensor \"" + std::string(*twice) + "\" was declared twice");
  }
}

std::string header_text(const std::vector<TensorInfo>& infos, const SafetensorsMetadata& metadata) {
  const auto quoted = [](const std::string& text) { return nlohmann::json(text).dump(); };
  std::string text = "{";
  const auto comma = [&] { return text.size() > 1 ? "," : ""; };
  if (!metadata.empty()) text += "\"__metadata__\":" + nlohmann::json(metadata).dump();
  for (const TensorInfo& info : infos) {
    text += comma() + quoted(info.name) + ":{\"dtype\":\"" + std::string(dtype_name(info.dtype)) +
            "\",\"shape\":" + nlohmann::json(info.shape).dump() + ",\"data_offsets\":[" +
            std::to_string(info.begin) + "," + std::to_string(info.end) + "]}";
  }
  text += "}";
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  return text;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     std::vector<TensorSpec> specs,
                                     const SafetensorsMetadata& metadata)
    : file_(path), infos_(lay_out(path.string(), std::move(specs))) {
  check_names(path.string(), infos_);
  const std::string header = header_text(infos_, metadata);
  const std::uint64_t length = header.size();
  file_.write(&length, sizeof length);
  file_.write(header);
  skip_finished();
}

void SafetensorsWriter::skip_finished() {
  while (current_ < infos_.size() && infos_[current_].end == written_) ++current_;
}

void SafetensorsWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  if (current_ == infos_.size() || infos_[current_].name != name) {
    const std::string turn = current_ == infos_.size() ? "the end" : infos_[current_].name;
    throw Error("[SafetensorsWriter] got data of " + std::string(name) + ", expected " + turn);
  }
  if (bytes.size() > infos_[current_].end - written_) {
    throw Error("[SafetensorsWriter] got " + std::to_string(bytes.size()) + " bytes of " +
                std::string(name) + ", only " + std::to_string(infos_[current_].end - written_) +
                " are left");
  }
  file_.write(bytes.data(), bytes.size());
  written_ += bytes.size();
  skip_finished();
}

void SafetensorsWriter::commit() {
  if (current_ != infos_.size()) {
    throw Error("[SafetensorsWriter] data of " + infos_[current_].name + " is incomplete");
  }
  file_.commit();
}

}  // namespace svtune
