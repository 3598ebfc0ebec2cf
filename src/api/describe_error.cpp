#include "base/errors.h"
#include "svtune/errors.h"

namespace svtune {

ErrorInfo describe_error(const std::exception& error) {
  ErrorInfo info;
  const auto* own = dynamic_cast<const Error*>(&error);
  if (own == nullptr) return info;
  info.hint = own->hint();
  info.kind = ErrorKind::kRun;
  if (dynamic_cast<const UsageError*>(own) != nullptr) info.kind = ErrorKind::kUsage;
  if (dynamic_cast<const FileError*>(own) != nullptr) info.kind = ErrorKind::kFile;
  if (dynamic_cast<const ModelError*>(own) != nullptr) info.kind = ErrorKind::kModel;
  return info;
}

}  // namespace svtune
