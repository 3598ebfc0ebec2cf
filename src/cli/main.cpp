// The program svtune.
#include <optional>

#include "cli/bounded_waiting.h"
#include "cli/commands.h"
#include "cli/contention_watch.h"
#include "cli/core/application.h"
#include "cli/working_directory.h"
#include "svtune/memory.h"

// The loader calls what stands here before it initialises the libraries: OpenMP reads its settings
// then, and what LibTorch does is not done twice.
[[gnu::section(".preinit_array"), gnu::used]] void (*const before_libraries[])(int, char**,
                                                                               char**) = {
    svtune::require_working_directory, svtune::restart_with_bounded_waiting};

int main(int argc, char** argv) {
  svtune::use_caching_allocator();
  std::optional<svtune::ContentionWatch> watch;
  if (svtune::waiting_is_bounded()) watch.emplace();
  return svtune::run_main(svtune::program_info(), svtune::Commands::make(), argc, argv);
}
