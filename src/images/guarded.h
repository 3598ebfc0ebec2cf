// Errors of C libraries that leave by longjmp, as those of libjpeg and libpng do.
#pragma once

#include <csetjmp>

namespace svtune::detail {

struct EscapePoint {
  std::jmp_buf place;
  char message[256];  // what the library says before it jumps
};

// Runs `step`; false when it left by std::longjmp(escape.place, 1). No object with a destructor may
// be alive in `step` where the library is called.
template <class Step>
bool guarded(EscapePoint& escape, const Step& step) {
  if (setjmp(escape.place) != 0) return false;
  step();
  return true;
}

}  // namespace svtune::detail
