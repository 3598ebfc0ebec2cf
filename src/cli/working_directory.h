// A working directory that was removed: the math library asks for it while it is loaded, and ends
// the process with a message of its own.
#pragma once

namespace svtune {

// Ends the process with the program's form of an error and exit code 1 where it is gone. To be
// called before the libraries are initialised, with the arguments of .preinit_array's functions.
void require_working_directory(int argument_count, char** arguments, char** environment);

}  // namespace svtune
