// A library to preload that lets one call on files fail, as a full or broken disk does. It counts
// the calls that change what lies below one folder and fails the n-th; all others go through.
//
//   FAULT_ROOT   the folder; calls on anything else are neither counted nor failed
//   FAULT_AT     n, from 1 on; 0 or unset: none fails
//   FAULT_LOG    gets the line "NAME PATH" of the failed call
//   FAULT_ALL    set: of every call
//   FAULT_STOP   set: the n-th call stops the process and goes through once it is continued
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <string>

namespace {

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

struct Plan {
  std::string root, log;
  long at = 0;
  bool all = false, stop = false;

  Plan() {
    if (const char* text = getenv("FAULT_ROOT")) root = text;
    if (const char* text = getenv("FAULT_LOG")) log = text;
    if (const char* text = getenv("FAULT_AT")) at = atol(text);
    all = getenv("FAULT_ALL") != nullptr;
    stop = getenv("FAULT_STOP") != nullptr;
  }
};

const Plan& plan() {
  static const Plan the_plan;
  return the_plan;
}

void append_line(const std::string& line) {
  static auto* const real_open = next<int(const char*, int, ...)>("open");
  static auto* const real_write = next<ssize_t(int, const void*, size_t)>("write");
  const int file = real_open(plan().log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) return;
  [[maybe_unused]] const ssize_t done = real_write(file, line.data(), line.size());
  close(file);
}

// True when this call is the one to fail; errno is set then.
bool fails(const char* call, const std::string& path) {
  static std::atomic<long> calls{0};
  if (plan().root.empty() || path.compare(0, plan().root.size(), plan().root) != 0) return false;
  const bool chosen = ++calls == plan().at;
  if (chosen || plan().all) append_line(std::string(call) + " " + path + "\n");
  if (chosen && plan().stop) {
    raise(SIGSTOP);
    return false;
  }
  if (chosen) errno = strcmp(call, "fsync") == 0 ? EIO : ENOSPC;
  return chosen;
}

std::string absolute(const char* path) {
  if (path[0] == '/') return path;
  char folder[PATH_MAX];
  return getcwd(folder, sizeof folder) == nullptr ? path : std::string(folder) + "/" + path;
}

std::string path_of(int file) {
  char target[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(file);
  const ssize_t size = readlink(link.c_str(), target, sizeof target);
  return size > 0 ? std::string(target, static_cast<size_t>(size)) : "";
}

bool creates(int flags) { return (flags & O_CREAT) != 0; }

mode_t mode_of(int flags, va_list arguments) {
  return creates(flags) ? static_cast<mode_t>(va_arg(arguments, int)) : 0;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  if (creates(flags) && fails("open", absolute(path))) return -1;
  static auto* const real = next<int(const char*, int, ...)>("open");
  return real(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  if (creates(flags) && fails("open", absolute(path))) return -1;
  static auto* const real = next<int(const char*, int, ...)>("open64");
  return real(path, flags, mode);
}

ssize_t write(int file, const void* data, size_t size) {
  if (fails("write", path_of(file))) return -1;
  static auto* const real = next<ssize_t(int, const void*, size_t)>("write");
  return real(file, data, size);
}

ssize_t writev(int file, const iovec* parts, int count) {
  if (fails("write", path_of(file))) return -1;
  static auto* const real = next<ssize_t(int, const iovec*, int)>("writev");
  return real(file, parts, count);
}

size_t fwrite(const void* data, size_t size, size_t count, FILE* file) {
  if (fails("write", path_of(fileno(file)))) return 0;
  static auto* const real = next<size_t(const void*, size_t, size_t, FILE*)>("fwrite");
  return real(data, size, count, file);
}

int fsync(int file) {
  if (fails("fsync", path_of(file))) return -1;
  static auto* const real = next<int(int)>("fsync");
  return real(file);
}

int ftruncate(int file, off_t size) {
  if (fails("ftruncate", path_of(file))) return -1;
  static auto* const real = next<int(int, off_t)>("ftruncate");
  return real(file, size);
}

int mkdir(const char* path, mode_t mode) {
  if (fails("mkdir", absolute(path))) return -1;
  static auto* const real = next<int(const char*, mode_t)>("mkdir");
  return real(path, mode);
}

int rename(const char* from, const char* to) {
  if (fails("rename", absolute(to))) return -1;
  static auto* const real = next<int(const char*, const char*)>("rename");
  return real(from, to);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  if (fails("rename", absolute(to))) return -1;
  static auto* const real = next<int(int, const char*, int, const char*, unsigned)>("renameat2");
  return real(from_folder, from, to_folder, to, flags);
}

}  // extern "C"
