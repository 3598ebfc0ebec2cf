#include "models/arch_spec.h"

#include "base/errors.h"

namespace svtune {
namespace {

// `now` where it is whole parts of the dotted path.
std::string with_parts(std::string path, const std::string& now, const std::string& then) {
  const std::string from = "." + now + ".", to = "." + then + ".";
  path = "." + path + ".";
  for (std::size_t at = path.find(from); at != std::string::npos;
       at = path.find(from, at + to.size() - 1)) {
    path.replace(at, from.size(), to);
  }
  return path.substr(1, path.size() - 2);
}

}  // namespace

std::string running_path(const std::vector<RunningName>& names, const std::string& stored) {
  std::string path = stored;
  for (const RunningName& each : names) path = with_parts(path, each.stored, each.running);
  return path;
}

std::string stored_path(const std::vector<RunningName>& names, const std::string& running) {
  std::string path = running;
  for (const RunningName& each : names) path = with_parts(path, each.running, each.stored);
  return path;
}

std::vector<RunningName> names_in_memory(const ArchSpec& spec) {
  std::vector<RunningName> names = spec.running_names;
  if (spec.fused_experts) {
    const std::vector<RunningName>& own = spec.fused_experts->running_names;
    names.insert(names.end(), own.begin(), own.end());
  }
  return names;
}

std::int64_t image_tokens(const ImageInput& input, std::int64_t height, std::int64_t width) {
  const bool whole = input.patch > 0 && height > 0 && width > 0 && height % input.patch == 0 &&
                     width % input.patch == 0;
  if (!whole) {
    throw ModelError("an image has " + std::to_string(height) + " x " + std::to_string(width) +
                         " pixels, the model reads squares of " + std::to_string(input.patch),
                     "Give a size that is a multiple of the patch.");
  }
  return 1 + input.registers + (height / input.patch) * (width / input.patch);
}

}  // namespace svtune
