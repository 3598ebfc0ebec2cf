#include "cli/eval_command.h"

#include <optional>

#include "cli/core/progress.h"
#include "cli/shared_steps.h"

namespace svtune {
namespace {

class EvalTerminal final : public EvalObserver {
 public:
  explicit EvalTerminal(CommandContext& context) : context_(context) {}

  void warning(const std::string& text) override { context_.warn(text); }
  void progress(const EvalProgress& now) override {
    if (!progress_) {
      progress_.emplace(Progress::Settings{.label = "eval", .unit = std::string(now.unit)});
    }
    progress_->update({.done = now.done, .total = now.total, .loss = now.loss, .note = now.note});
  }
  void finish() { progress_.reset(); }

 private:
  CommandContext& context_;
  std::optional<Progress> progress_;
};

}  // namespace

int run(const EvalCommandOptions& options, CommandContext& context) {
  LoadedModel loaded = load_for_command(options.model, context);
  const std::optional<Tokenizer> tokenizer = tokenizer_for(loaded);
  EvalTerminal terminal(context);
  EvalOptions what = options.what;
  what.given = options.given;
  const Score score = evaluate(loaded, tokenizer ? &*tokenizer : nullptr, what, terminal);
  terminal.finish();
  context.out << score.text << "\n";
  return 0;
}

}  // namespace svtune
