#include "adapters/peft_names.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {
namespace {

constexpr std::string_view kWholeModule = "modules_to_save";

bool belongs_to_adapter(std::string_view part) {
  constexpr std::string_view kOfTypes[] = {"lora_", "vera_", "oft_", "boft_", "tinylora_"};
  if (part == "tinylora_v") return false;  // behind it comes the number of a group
  return std::ranges::any_of(kOfTypes, [&](auto type) { return part.starts_with(type); }) ||
         part == "trainable_tokens_delta" || part == kWholeModule;
}

bool is_parameter(std::string_view part) { return part == "weight" || part == "bias"; }

// DoRA's lengths are a module's in a running model, and a tensor of the layer in files.
void drop_module_of_lengths(std::vector<std::string>& parts) {
  const bool of_module = parts.size() > 1 && parts.back() == "weight" &&
                         parts[parts.size() - 2] == "lora_magnitude_vector";
  if (of_module) parts.pop_back();
}

// Where the parts of a key name the adapter, or nothing.
std::optional<std::size_t> place_of_name(const std::vector<std::string>& parts) {
  for (std::size_t i = parts.size(); i-- > 0;) {
    if (!belongs_to_adapter(parts[i])) continue;
    const std::size_t behind = parts.size() - i - 1;
    const bool named =
        (behind == 1 && !is_parameter(parts[i + 1])) || (behind == 2 && is_parameter(parts[i + 2]));
    return named ? std::optional(i + 1) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::map<std::string, std::string> keys_without_adapter_name(const std::vector<std::string>& names,
                                                             const std::string& source) {
  std::map<std::string, std::string> keys;
  std::set<std::string> adapters;
  for (const std::string& name : names) {
    const std::vector<std::string_view> views = split(name, '.');
    std::vector<std::string> parts(views.begin(), views.end());
    const std::optional<std::size_t> place = place_of_name(parts);
    if (place) {
      adapters.insert(parts[*place]);
      // A module that is saved whole has the name of its own and of nothing else.
      const bool whole = parts[*place - 1] == kWholeModule;
      const auto end = parts.begin() + static_cast<std::ptrdiff_t>(*place);
      parts.erase(whole ? end - 1 : end, end + 1);
    }
    drop_module_of_lengths(parts);
    keys.emplace(join(parts, "."), name);
  }
  if (adapters.size() > 1) {
    const std::vector<std::string> list(adapters.begin(), adapters.end());
    throw FileError(source, "holds several adapters: " + join(list, ", "),
                    "Save the one that is wanted into a file of its own.");
  }
  if (keys.size() != names.size()) {
    throw FileError(source, "holds tensors with and without the name of an adapter");
  }
  return keys;
}

}  // namespace svtune
