// The program svtune.
#include "cli/commands.h"
#include "cli/core/application.h"

int main(int argc, char** argv) {
  return svtune::run_main(svtune::program_info(), svtune::Commands::make(), argc, argv);
}
