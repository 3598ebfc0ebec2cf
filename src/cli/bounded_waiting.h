// How long threads that wait for each other spin before they sleep.
//
// GNU OpenMP lets them spin for milliseconds. On a machine that is not idle the thread they wait
// for may not be running, and those that spin keep its core from it: a step then takes several
// times its share of the machine. Sleeping at once is the other extreme, because a step has
// thousands of parallel loops with short gaps between them. docs/performance.md has the figures.
//
// OpenMP reads GOMP_SPINCOUNT once, while it is loaded, so a program must have it before. A process
// that uses the library keeps the settings it has.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace svtune {

// Rounds of OpenMP's waiting loop in `time` on this processor; at least 1.
std::int64_t waiting_rounds(std::chrono::nanoseconds time);

// `environment`, null-terminated, with GOMP_SPINCOUNT=rounds; nothing when it holds
// GOMP_SPINCOUNT or OMP_WAIT_POLICY: what the user has set stays.
std::optional<std::vector<std::string>> with_bounded_waiting(const char* const* environment,
                                                             std::int64_t rounds);

// Whether the process was started anew by restart_with_bounded_waiting().
bool waiting_is_bounded();

// Starts the program anew, in the same process, with bounded waiting; returns where the user has
// set how to wait (so also the second time), or the system does not let it, and the program then
// runs on as it is. For .preinit_array: before the libraries are initialised.
void restart_with_bounded_waiting(int argc, char** argv, char** environment);

}  // namespace svtune
