// Typed errors of the library. The library throws and never prints or exits; the command
// line turns each type into one `error:` line, one `hint:` line and an exit code.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace svtune {

// Root of every error that a user can cause. `hint` is one sentence that names a way out;
// it may be empty.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, std::string hint = "")
      : std::runtime_error(message), hint_(std::move(hint)) {}
  const std::string& hint() const noexcept { return hint_; }
  // For a function that lets the error pass and knows what else helps. A hint without a full stop
  // gets one in front of it.
  void add_to_hint(const std::string& sentence) {
    if (!hint_.empty()) hint_ += hint_.ends_with('.') || hint_.ends_with('?') ? " " : ". ";
    hint_ += sentence;
  }

 private:
  std::string hint_;
};

// The command line or a configuration is wrong: unknown option, value out of range,
// combination that cannot work. Exit code 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

// A file is missing, truncated, malformed or does not fit. The message starts with the
// path and names the byte, line or key. Exit code 1.
class FileError : public Error {
 public:
  FileError(const std::string& path, const std::string& what, std::string hint = "")
      : Error(path + ": " + what, std::move(hint)), path_(path) {}
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

// Of a record that svtune wrote, which the user has not given: the file is wrong, not the command
// line. A path that stands in front of the message already is not said twice.
inline FileError file_error_of(const std::string& path, const UsageError& error) {
  std::string text = error.what();
  const std::string said = path + ": ";
  if (text.starts_with(said)) text.erase(0, said.size());
  return FileError(path, text, error.hint());
}

// The model, the adapter and the request do not fit together (shape, rank, family, hash).
// Exit code 1.
class ModelError : public Error {
 public:
  using Error::Error;
};

// The run cannot go on: loss not finite, too little memory, disk full. Exit code 1.
class RunError : public Error {
 public:
  using Error::Error;
};

}  // namespace svtune
