// The program svtune.
#include "cli/commands.h"
#include "cli/core/application.h"
#include "svtune/memory.h"

int main(int argc, char** argv) {
  svtune::use_caching_allocator();
  return svtune::run_main(svtune::program_info(), svtune::Commands::make(), argc, argv);
}
