#include "models/rope_config.h"

#include <algorithm>
#include <cmath>

namespace svtune {
namespace {

// Reads the keys of one type; what the type needs and the file lacks would change the
// mathematics silently, so it is a problem.
class RopeSection {
 public:
  RopeSection(ConfigReader& outer, const Json& section, const ArchSpec& spec, RopeSpec& into)
      : outer_(outer), rope_(section, outer.source()), spec_(spec), into_(into) {}

  void read() {
    RopeSpec& rope = into_;
    type_ = rope_.text_or("rope_type", rope_.text_or("type", "default"));
    rope.theta = rope_.number_or("rope_theta", rope.theta);
    check_width();
    if (type_ == "default") {
      rope.type = RopeType::kDefault;
    } else if (type_ == "linear") {
      rope.type = RopeType::kLinear;
      rope.factor = required("factor");
    } else if (type_ == "llama3") {
      read_llama3();
    } else if (type_ == "yarn") {
      read_yarn();
    } else if (type_ == "dynamic") {
      rope.type = RopeType::kDynamic;
      rope.factor = required("factor");
      rope.original_max_positions = static_cast<double>(spec_.max_positions);
    } else if (type_ == "longrope" || type_ == "su") {
      read_longrope();
    } else {
      outer_.problem("rope type \"" + type_ +
                     "\" is not supported (default, linear, dynamic, llama3, yarn and longrope "
                     "are)");
    }
    rope_.finish();
  }

 private:
  double required(const char* key) {
    if (rope_.find(key) == nullptr) {
      outer_.problem("rope type \"" + type_ + "\" needs \"" + key + "\"");
    }
    return rope_.number_or(key, 1.0);
  }

  // A family that turns a part of each head has set the width already.
  void check_width() {
    const double turned = rope_.number_or("partial_rotary_factor", 0.0);
    const auto width = static_cast<std::int64_t>(turned * static_cast<double>(spec_.head_dim));
    if (turned == 0.0 || width == into_.width) return;
    outer_.problem("rope parameter \"partial_rotary_factor\" = " +
                   rope_.find("partial_rotary_factor")->dump() + " is not supported");
  }

  // Phi 3 keeps it beside the section, where it has precedence.
  double original_length() {
    return outer_.number_or("original_max_position_embeddings",
                            rope_.number_or("original_max_position_embeddings",
                                            static_cast<double>(spec_.max_positions)));
  }

  // The factor, or how far the model's length goes beyond the original one.
  double factor_or_ratio() {
    return rope_.number_or("factor",
                           static_cast<double>(spec_.max_positions) / into_.original_max_positions);
  }

  void read_llama3() {
    RopeSpec& rope = into_;
    rope.type = RopeType::kLlama3;
    rope.factor = required("factor");
    rope.low_freq_factor = required("low_freq_factor");
    rope.high_freq_factor = required("high_freq_factor");
    rope.original_max_positions = original_length();
  }

  void read_yarn() {
    RopeSpec& rope = into_;
    rope.type = RopeType::kYarn;
    rope.original_max_positions = original_length();
    rope.factor = factor_or_ratio();
    rope.beta_fast = rope_.number_or("beta_fast", 32);
    rope.beta_slow = rope_.number_or("beta_slow", 1);
    rope.truncate = rope_.boolean_or("truncate", true);
    const double mscale = rope_.number_or("mscale", 0), all = rope_.number_or("mscale_all_dim", 0);
    const auto scale = [&](double by) {
      return rope.factor <= 1 ? 1.0 : 0.1 * by * std::log(rope.factor) + 1.0;
    };
    const bool both = mscale != 0 && all != 0;
    rope.attention_factor =
        rope_.number_or("attention_factor", both ? scale(mscale) / scale(all) : scale(1));
  }

  std::vector<double> factors(const char* key) {
    const Json* list = rope_.find(key);
    const auto count = static_cast<std::size_t>(into_.width / 2);
    bool good = list != nullptr && list->is_array() && list->size() == count;
    std::vector<double> values;
    for (std::size_t i = 0; good && i < count; ++i) {
      good = (*list)[i].is_number() && (*list)[i].get<double>() > 0;
      if (good) values.push_back((*list)[i].get<double>());
    }
    if (!good) {
      outer_.problem("rope type \"" + type_ + "\" needs \"" + key + "\", a list of " +
                     std::to_string(count) + " positive numbers");
      return std::vector<double>(count, 1.0);
    }
    return values;
  }

  void read_longrope() {
    RopeSpec& rope = into_;
    rope.type = RopeType::kLongrope;
    rope.original_max_positions = original_length();
    rope.factor = factor_or_ratio();
    rope.short_factors = factors("short_factor");
    rope.long_factors = factors("long_factor");
    const double stretched =
        std::sqrt(1 + std::log(rope.factor) / std::log(rope.original_max_positions));
    rope.attention_factor = rope_.number_or("attention_factor", rope.factor <= 1 ? 1.0 : stretched);
  }

  ConfigReader& outer_;
  ConfigReader rope_;
  const ArchSpec& spec_;
  RopeSpec& into_;
  std::string type_;
};

bool is_by_layer_type(const Json& section) {
  return std::any_of(section.begin(), section.end(),
                     [](const Json& value) { return value.is_object(); });
}

void read_by_layer_type(ConfigReader& config, const Json& section, ArchSpec& spec) {
  for (const auto& [key, value] : section.items()) {
    const bool windowed = key == "sliding_attention";
    if (value.is_null()) continue;
    if (!value.is_object() || !spec.window_rope || (!windowed && key != "full_attention")) {
      config.problem("rope parameters per layer type (\"" + key + "\") are not supported");
      return;
    }
    RopeSection(config, value, spec, windowed ? *spec.window_rope : spec.rope).read();
  }
}

void read_section(ConfigReader& config, const Json& section, ArchSpec& spec) {
  if (!section.is_object()) {
    config.problem("rope parameters must be an object");
    return;
  }
  if (is_by_layer_type(section)) {
    read_by_layer_type(config, section, spec);
  } else {
    RopeSection(config, section, spec, spec.rope).read();
  }
}

}  // namespace

void read_rope(ConfigReader& config, ArchSpec& spec) {
  RopeSpec& rope = spec.rope;
  if (rope.width == 0) rope.width = spec.head_dim;
  rope.theta = config.number_or("rope_theta", rope.theta);
  if (spec.window_rope) spec.window_rope->width = rope.width;
  // rope_scaling (older files) replaces rope_parameters (transformers >= 5) when both are there.
  const Json* section = config.find("rope_scaling");
  if (section == nullptr) section = config.find("rope_parameters");
  if (section != nullptr) read_section(config, *section, spec);
  if (rope.width < 2 || rope.width % 2 != 0) {
    config.problem("head_dim " + std::to_string(spec.head_dim) + " turns " +
                   std::to_string(rope.width) + " elements, need an even number");
  }
  for (const RopeSpec* each : {&rope, spec.window_rope ? &*spec.window_rope : &rope}) {
    if (each->theta > 0 && each->factor > 0 && each->original_max_positions > 0) continue;
    config.problem("rope theta, factor and original length must be positive");
    return;
  }
}

std::int64_t turned_width(ConfigReader& config, const ArchSpec& spec, const std::string& key,
                          double fallback) {
  double share = config.number_or(key, fallback);
  const Json* section = config.find("rope_parameters");
  if (section != nullptr && section->is_object()) {
    ConfigReader rope(*section, config.source());
    share = rope.number_or("partial_rotary_factor", share);
  }
  return static_cast<std::int64_t>(static_cast<double>(spec.head_dim) * share);
}

}  // namespace svtune
