#include "train/memory.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kUnknown = std::numeric_limits<std::uint64_t>::max();

// The number behind `key` in a file of "key value" lines, as written there.
std::optional<std::uint64_t> number_after(const fs::path& file, std::string_view key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t value = 0;
    if (words >> name >> value && name == key) return value;
  }
  return std::nullopt;
}

// The first number of a file; nullopt for "max" and for files that do not exist.
std::optional<std::uint64_t> only_number(const fs::path& file) {
  std::ifstream in(file);
  std::uint64_t value = 0;
  return in >> value ? std::optional(value) : std::nullopt;
}

// What one control group leaves: limit minus use, page cache counted as free.
std::uint64_t left_in_group(const fs::path& group, const char* limit_file, const char* use_file) {
  const auto limit = only_number(group / limit_file), use = only_number(group / use_file);
  if (!limit || !use) return kUnknown;
  const fs::path statistics = group / "memory.stat";
  std::uint64_t cache = 0;
  for (const std::string key : {"inactive_file", "active_file"}) {
    // Version 1 counts what lies below a group under a name of its own.
    const auto below = number_after(statistics, "total_" + key);
    cache += below ? *below : number_after(statistics, key).value_or(0);
  }
  const std::uint64_t held = *use - std::min(*use, cache);
  return *limit - std::min(*limit, held);
}

// Of a group and all above it.
std::uint64_t left_in_hierarchy(const fs::path& hierarchy, fs::path group, const char* limit_file,
                                const char* use_file) {
  std::uint64_t left = kUnknown;
  for (group = group.relative_path();; group = group.parent_path()) {
    const fs::path folder = group.empty() ? hierarchy : hierarchy / group;
    left = std::min(left, left_in_group(folder, limit_file, use_file));
    if (group.empty()) return left;
  }
}

}  // namespace

ProcessMemory process_memory() {
  constexpr std::uint64_t kKib = 1024;
  const fs::path status = "/proc/self/status";
  return {number_after(status, "VmRSS:").value_or(0) * kKib,
          number_after(status, "VmHWM:").value_or(0) * kKib};
}

std::uint64_t memory_of_groups(const fs::path& membership, const fs::path& mount) {
  constexpr const char *kLimit = "memory.limit_in_bytes", *kUse = "memory.usage_in_bytes";
  // A container sees its own group as the hierarchy's root.
  std::uint64_t left = left_in_hierarchy(mount / "memory", {}, kLimit, kUse);
  std::ifstream in(membership);
  // hierarchy:controllers:path; version 2 has 0 and no controllers.
  for (std::string line; std::getline(in, line);) {
    const std::vector<std::string_view> parts = split(line, ':');
    if (parts.size() < 3) continue;
    const std::vector<std::string_view> controllers = split(parts[1], ',');
    if (parts[1].empty()) {
      left = std::min(left, left_in_hierarchy(mount, parts[2], "memory.max", "memory.current"));
    } else if (std::ranges::count(controllers, std::string_view("memory")) > 0) {
      left = std::min(left, left_in_hierarchy(mount / "memory", parts[2], kLimit, kUse));
    }
  }
  return left;
}

std::uint64_t available_memory() {
  const auto system = number_after("/proc/meminfo", "MemAvailable:");
  return std::min(memory_of_groups("/proc/self/cgroup", "/sys/fs/cgroup"),
                  system ? *system * 1024 : kUnknown);
}

std::string items_text(const MemoryForecast& forecast) {
  std::string items;
  for (const MemoryItem& item : forecast.items) {
    items += (items.empty() ? "" : ", ") + item.name + " " + format_bytes(item.bytes);
  }
  return items;
}

void check_memory(const MemoryForecast& forecast, std::uint64_t available,
                  std::uint64_t already_used, MemoryPhase phase) {
  const std::uint64_t total = forecast.total();
  const std::uint64_t missing = total - std::min(total, already_used);
  if (missing <= available) return;
  const bool training = phase == MemoryPhase::kTraining;
  throw RunError((training ? "training needs about " : "the pass over data needs about ") +
                     format_bytes(total) + " of memory (" + items_text(forecast) + "), " +
                     format_bytes(available + already_used) + " can be had",
                 training
                     ? "lower --batch-size or --batch-tokens (raising --gradient-accumulation by "
                       "the same factor keeps the result), use --max-memory or --recompute full, "
                       "or --dtype bf16"
                     : "lower --calibration-memory, with which the data pass more often, or "
                       "--batch-size or --batch-tokens; or use --dtype bf16");
}

}  // namespace svtune
