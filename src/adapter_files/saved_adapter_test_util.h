// A tiny model in a directory, and adapters of it that have learnt something.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "adapter_files/adapter_file.h"
#include "attach/attach.h"
#include "base/oracle_test_util.h"
#include "io/tiny_model_test_util.h"

namespace svtune::test {

class SavedAdapterTest : public ::testing::Test {
 protected:
  void SetUp() override { write_tiny_model(base(), {.family = "qwen2", .tied = true}); }
  std::filesystem::path base() const { return directory_ / "base"; }

  // Trains `method` by random steps and saves it under `name`; returns the logits.
  at::Tensor make(const std::string& name, const MethodConfig& method,
                  const TargetOptions& targets = {}) {
    Model model = load_model(base());
    Attached attached = attach(model, method, targets, {.seed = 5});
    disturb(attached.adapters);
    save_adapter(model, attached.adapters, attached.record, directory_ / name);
    return logits_of(model);
  }

  TempDirectory directory_;
};

}  // namespace svtune::test
