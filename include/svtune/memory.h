// Memory that is kept for reuse.
#pragma once

namespace svtune {

// Makes svtune's caching allocator LibTorch's for CPU tensors, for the rest of the process: large
// blocks stay mapped from step to step, which makes training faster. The program svtune does so;
// a process that uses the library keeps its own allocator unless it calls this, before it makes
// tensors in other threads. Further calls do nothing.
void use_caching_allocator();

// Gives the memory of freed tensors that is kept for reuse back to the system. fine_tune() and
// the end of a Session do so themselves.
void release_memory();

}  // namespace svtune
