// Trains a LoRA on a file of examples and shows the loss.
//   usage: fine_tune MODEL DATA OUTPUT [NAME=VALUE ...]    e.g. rank=8 learning_rate=1e-4
#include <svtune/svtune.h>

#include <iostream>
#include <string>

int main(int argc, char** argv) try {
  if (argc < 4) {
    std::cerr << "usage: fine_tune MODEL DATA OUTPUT [NAME=VALUE ...]\n";
    return 2;
  }
  svtune::FineTuneOptions options;
  options.model = argv[1];
  options.data = argv[2];
  options.output = argv[3];
  options.method = "lora";
  for (int i = 4; i < argc; ++i) {
    const std::string setting = argv[i];
    const std::size_t sign = setting.find('=');
    options.settings[setting.substr(0, sign)] =
        sign == std::string::npos ? "" : setting.substr(sign + 1);
  }
  const svtune::FineTuneResult result =
      svtune::fine_tune(options, [](const svtune::FineTuneStep& step) {
        std::cout << "step " << step.step << "/" << step.total_steps << "  loss " << step.loss
                  << "\n";
        return true;
      });
  std::cout << result.trained.string() << "\n" << result.report.string() << "\n";
  return 0;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << "\n";
  const std::string hint = svtune::describe_error(error).hint;
  if (!hint.empty()) std::cerr << "hint: " << hint << "\n";
  return 1;
}
