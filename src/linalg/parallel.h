// Threads for linear algebra with results that do not depend on their number.
//
// Library routines split their sums differently for each thread count. Code that must give
// the same bits anywhere therefore runs every library call on one thread (SerialMath) and
// spreads work over threads itself, in pieces of fixed size (for_each_tile) or one matrix
// per thread (for_each_matrix).
//
// These two are the only places that hand tensor work to threads. Within them a library call must
// never count on threads of its own: OneThread sees to it for each worker.
#pragma once

#include <cstdint>
#include <functional>

namespace svtune {

// While alive, ATen and its BLAS use one thread on the calling thread.
class SerialMath {
 public:
  SerialMath();
  ~SerialMath();
  SerialMath(const SerialMath&) = delete;
  SerialMath& operator=(const SerialMath&) = delete;

 private:
  int saved_threads_ = 0;
};

// While alive, library calls of this thread use one thread and choose their blocking accordingly,
// also inside a parallel region, where it holds for the one worker.
class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int saved_threads_;
};

// Calls work(i) for each i in [0, count), on all threads that were in use before the
// innermost SerialMath. Library calls inside `work` are serial. The first exception thrown
// is rethrown after all threads have stopped.
void for_each_tile(std::int64_t count, const std::function<void(std::int64_t)>& work);

// Like for_each_tile, but hands the next index to whichever thread is free: for whole
// matrices of unequal cost. Library calls inside `work` are serial where several threads work at
// once. Gradient recording is off inside `work`. `progress(done, count)`
// is called after each, by one thread at a time. Where several fail, the exception of the
// lowest index is rethrown: the same one for any number of threads.
void for_each_matrix(std::int64_t count, const std::function<void(std::int64_t)>& work,
                     const std::function<void(std::int64_t, std::int64_t)>& progress = {});

}  // namespace svtune
