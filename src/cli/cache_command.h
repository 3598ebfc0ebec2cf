// svtune cache: what the cache of decompositions holds, and its removal.
#pragma once

#include "cli/core/command.h"

namespace svtune {

enum class CacheAction { kList, kClear };
inline constexpr EnumName<CacheAction> kCacheActionNames[] = {
    {CacheAction::kList, "list", "entries with size and last use, and the limit"},
    {CacheAction::kClear, "clear", "remove every entry"},
};
constexpr std::span<const EnumName<CacheAction>> enum_names(CacheAction) {
  return kCacheActionNames;
}

struct CacheOptions {
  static constexpr CommandInfo kCommand{
      .name = "cache",
      .summary = "List or clear the cache of decompositions",
      .description =
          "Singular value decompositions that svtune train computes are kept on disk, so that a "
          "second run on the same weights only reads them. They lie in $SVTUNE_CACHE_DIR, else "
          "$XDG_CACHE_HOME/svtune, else ~/.cache/svtune, up to $SVTUNE_CACHE_GIB GiB (4 when "
          "unset); the least recently used make room. clear also removes the rates from which "
          "--dtype auto chooses.",
      .examples = "svtune cache list\nsvtune cache clear",
      .config = false};
  CacheAction action = CacheAction::kList;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.action,
          {.name = "action", .help = "What to do", .value_name = "list|clear", .positional = true});
  }
};

int run(const CacheOptions& options, CommandContext& context);

}  // namespace svtune
