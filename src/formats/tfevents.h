// Writing TensorBoard event files: scalars and texts. Format: TFRecord framing (lengths and
// payloads with masked CRC-32C) around Event messages; field numbers from tensorflow's
// event.proto and summary.proto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace svtune {

class EventWriter {
 public:
  // Creates `directory`/events.out.tfevents.<seconds>.<host>.<pid>.<n>, where seconds is
  // `wall_time`; readers find it by the name. Throws FileError when it cannot be created.
  EventWriter(const std::filesystem::path& directory, double wall_time);

  // `wall_time` in seconds since 1970, `step` in optimiser steps. Throws FileError when the
  // disk is full.
  void add_scalar(std::string_view tag, float value, std::int64_t step, double wall_time);
  // Markdown text, shown in the text tab.
  void add_text(std::string_view tag, std::string_view text, std::int64_t step, double wall_time);
  // Hands everything to the system. Readers tolerate a torn last record after a crash.
  void flush();

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  struct Closer {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  void write_record(std::string_view payload);

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Closer> file_;
};

// CRC-32C (Castagnoli) of `bytes`.
std::uint32_t crc32c(std::span<const std::byte> bytes);

}  // namespace svtune
