// Reads one command's arguments with CLI11 and applies them, after --config, to its options.
#pragma once

#include <string>
#include <vector>

#include "base/fields.h"
#include "cli/core/command_info.h"

namespace svtune {

// Whether it is given without a value: --name or --no-name.
bool is_switch(const FieldInfo& info);

struct ParsedLine {
  bool help = false;
  std::string config;  // path of --config, or empty
  std::vector<FieldInput> inputs;
  std::vector<std::string> warnings;  // of what was given and does not count
};

// Throws UsageError for an unknown option (the hint names the nearest), a missing value or a
// stray argument. With --help nothing else is checked.
ParsedLine parse_line(const std::vector<FieldInfo>& known, const std::vector<std::string>& args,
                      const CommandInfo& command);

// What `presets` gives for them first, then the configuration file, then the flags. Throws
// UsageError with all problems at once, or naming the required options that are still empty;
// FileError when the file cannot be read.
void apply_line(const ParsedLine& line, const FieldSource& source,
                const std::vector<FieldInfo>& known, const FieldPresets& presets = {});

}  // namespace svtune
