#include "eval/document_lengths.h"

#include <algorithm>
#include <optional>

#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {

void require_positions(const Network& net, const DocumentStore& documents, std::int64_t count,
                       const std::string& name) {
  const std::optional<std::int64_t> most = net.longest_document();
  if (!most) return;
  std::int64_t too_long = 0, longest = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t length = documents.length(i);
    longest = std::max(longest, length);
    too_long += length > *most ? 1 : 0;
  }
  if (too_long == 0) return;
  const std::string positions = std::to_string(*most);
  throw UsageError(name + ": " + std::to_string(too_long) + " of " + std::to_string(count) +
                       " documents have more tokens than the model has positions, " + positions +
                       "; the longest has " + std::to_string(longest),
                   "Give --max-length " + positions + ", which cuts them.");
}

}  // namespace svtune
