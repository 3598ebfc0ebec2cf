// Puts a method onto the chosen layers of a model and makes whatever else trains a leaf.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "attach/adapter_record.h"
#include "io/model.h"
#include "nn/adapter_set.h"

namespace svtune {

// An adapter as it comes from a directory (adapter_files/adapter_file.h).
struct LoadedAdapter {
  AdapterSet adapters;
  AdapterRecord record;
  std::vector<std::string> warnings;  // unknown keys of the configuration, ignored options
};

struct AttachOptions {
  std::uint64_t seed = 0;
  // false: tensors of the right shapes without any initialisation work (no decomposition),
  // for loading values afterwards.
  bool initialise = true;
  // false: the targets name all that trains, also of a head that was made anew.
  bool add_head = true;
  // false: without the method's checks of its options. Files of other tools may hold what it
  // would not start with, such as factors of any rank.
  bool check = true;
  // Of the adapter directory that values come from afterwards.
  std::int64_t file_format = 2;
  // With initialise = false: values never come, so that decompositions of loading are left out.
  bool shapes_only = false;
  // As LayerSite::rank_given.
  bool rank_given = false;
  // Called after each layer, never from two threads at once.
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
  SvdCache* cache = nullptr;  // for decompositions; must outlive the call
  // What a quantised base leaves to the adapter of each layer, or calibrate() has found for it;
  // must outlive the call.
  const std::map<std::string, LowRankDelta>* starts = nullptr;
};

struct AdaptedLayer {
  std::string name;
  std::int64_t out_features = 0, in_features = 0;
  std::int64_t trainable = 0;    // parameters
  Json report = Json::object();  // rank, SVD certificate, ... as the method gives them
};

struct StartReport {
  std::string method;
  std::vector<AdaptedLayer> layers;
  std::vector<std::string> extras;  // tensors that train whole: norms, biases, embedding
  std::int64_t trainable = 0;       // parameters
  std::int64_t total = 0;           // parameters of the base model
  double init_seconds = 0;
  std::int64_t cached = 0;  // layers whose decomposition was read instead of computed
};

struct Attached {
  AdapterSet adapters;
  AdapterRecord record;
  StartReport report;
};

// For a method that trains matrices, without any target option every tensor of the model trains;
// with target options only the matched matrices do. A tied embedding and head train as one tensor
// there; named in modules_to_save (or adapted) they part, as in PEFT. A head of labels trains whole
// beside any method, as PEFT's classifier does, and of every head whatever the checkpoint lacked;
// the record's targets name both. Where biases alone train, no matrix does, and
// targets choose whose biases. Throws UsageError for targets that match nothing or part a head from
// the embedding that has no matrix of its own, and for options that contradict each other,
// ModelError naming the layer when the method cannot serve it, each before any layer is
// initialised; the model is unchanged then.
Attached attach(Model& model, const MethodConfig& method, const TargetOptions& targets,
                const AttachOptions& options = {});

// The same facts of an adapter that was loaded from a directory onto `model`.
Attached adopt(Model& model, LoadedAdapter loaded);

}  // namespace svtune
