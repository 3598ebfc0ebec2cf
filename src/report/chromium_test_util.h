// For tests only: what a browser makes of a page.
#pragma once

#include <filesystem>
#include <string>

#include "base/files.h"
#include "base/oracle_test_util.h"

namespace svtune::test {

// The browser's name on PATH, or "" when there is none.
inline std::string chromium() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    if (run_command(std::string("command -v ") + name).status == 0) return name;
  }
  return "";
}

// The document after its scripts have run.
inline std::string rendered_document(const std::string& browser, const std::string& page) {
  const TempDirectory folder;
  write_file_atomic(folder / "page.html", page);
  const std::string command =
      "timeout -k 5 60 " + browser +
      " --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run"
      " --virtual-time-budget=3000 --window-size=1200,900 --user-data-dir=" +
      (folder / "profile").string() + " --dump-dom file://" + (folder / "page.html").string() +
      " 2>/dev/null";
  // On a busy machine the browser sometimes gives up before it has started.
  std::string document;
  for (int attempt = 0; attempt < 3 && document.find("</html>") == std::string::npos; ++attempt) {
    document = run_command(command).output;
  }
  return document;
}

}  // namespace svtune::test
