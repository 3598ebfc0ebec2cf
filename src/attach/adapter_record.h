// How an adapter came about: what a file or a checkpoint keeps beside the tensors.
#pragma once

#include <cstdint>
#include <string>

#include "adapters/methods.h"
#include "attach/target_modules.h"
#include "base/json.h"
#include "data/trained_prompt.h"

namespace svtune {

struct AdapterRecord {
  MethodConfig method;
  TargetOptions targets;
  std::uint64_t seed = 0;
  // Per adapted layer what its initialisation reported: rank, SVD algorithm and certificate.
  Json layers = Json::object();
  // The values mean nothing on other weights than those they started from (LoftQ, QPiSSA).
  bool needs_its_base = false;
  // On what data the start was found (attach/calibrate.h): batches, tokens, a hash of all that they
  // hold. Null for a start that needs none.
  Json calibration = nullptr;
  // How prompts were written in training; kept in the files by io/prompt_files.h, not in the
  // record's JSON.
  std::optional<TrainedPrompt> prompt = {};
};

// The method's and the targets' options as one flat object, with "method".
Json options_to_json(const MethodConfig& method, const TargetOptions& targets);

// Round trip through JSON, for checkpoints and the side file; the reader throws UsageError
// naming the key and `source_name`.
Json record_to_json(const AdapterRecord& record);
AdapterRecord record_from_json(const Json& json, const std::string& source_name);

}  // namespace svtune
