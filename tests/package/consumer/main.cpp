// Includes every public header and calls into the library, so that a missing header, a missing
// object or a missing dependency of the package shows.
#include <svtune/version.h>

#include <iostream>

int main() {
  std::cout << "svtune " << svtune::version() << "\n";
  return 0;
}
