// What a method gets and gives when it is attached to one layer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/json.h"
#include "nn/adapter.h"

namespace svtune {

class SvdCache;

// One layer that a method is asked to adapt.
struct LayerSite {
  const std::string& name;  // checkpoint path of the layer
  const BaseWeight& base;
  std::uint64_t seed;         // this layer's own stream: a function of run seed, method and name
  SvdCache* cache = nullptr;  // for decompositions; may be absent
};

struct AdapterInit {
  std::unique_ptr<Adapter> adapter;
  bool releases_base = false;    // the adapter holds the whole weight, the base may be freed
  Json report = Json::object();  // what the start report shows of this layer (rank, SVD, ...)
};

// A method is a config struct with
//   static constexpr const char* kName, kSummary;
//   template <class Self, class Visitor> static void fields(Self&, Visitor&);
// and two functions found by overload:
//   AdapterInit make_adapter(const Config&, const LayerSite&);   // initialises
//   AdapterInit make_empty_adapter(const Config&, const LayerSite&);  // shapes only, for loading
// Both throw ModelError naming the layer when the method cannot serve it.

}  // namespace svtune
