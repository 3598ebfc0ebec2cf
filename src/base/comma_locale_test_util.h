// For tests only: a process whose locale writes decimal commas, groups digits with points and
// names the months in German, as a host program's may.
#pragma once

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <locale>
#include <string>

#include "base/files.h"
#include "base/oracle_test_util.h"

namespace svtune::test {

class CommaLocale {
 public:
  CommaLocale() {
    write_file_atomic(directory_ / "comma.src", kDefinition);
    const std::string target = (directory_ / "xx_XX").string();
    run_command("localedef -c -i " + shell_quote((directory_ / "comma.src").string()) + " " +
                shell_quote(target) + " >/dev/null 2>&1");
    ::setenv("LOCPATH", directory_.path().c_str(), 1);
    std::setlocale(LC_ALL, "xx_XX");
    ::unsetenv("LOCPATH");
    std::locale::global(std::locale(std::locale::classic(), new Punctuation));
    char text[16];
    std::snprintf(text, sizeof text, "%.1f", 1.5);
    set_ = std::string(text) == "1,5";
  }
  ~CommaLocale() {
    std::locale::global(std::locale::classic());
    std::setlocale(LC_ALL, "C");
  }
  CommaLocale(const CommaLocale&) = delete;
  CommaLocale& operator=(const CommaLocale&) = delete;

  // False where the C library's localedef or its character maps are missing; streams have the
  // comma all the same.
  bool set() const { return set_; }

 private:
  struct Punctuation : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };

  static constexpr const char* kDefinition = R"(LC_CTYPE
copy "POSIX"
END LC_CTYPE
LC_NUMERIC
decimal_point ","
thousands_sep "."
grouping 3;3
END LC_NUMERIC
LC_TIME
abday "So";"Mo";"Di";"Mi";"Do";"Fr";"Sa"
day "Sonntag";"Montag";"Dienstag";"Mittwoch";"Donnerstag";"Freitag";"Samstag"
abmon "Jan";"Feb";"Mrz";"Apr";"Mai";"Jun";"Jul";"Aug";"Sep";"Okt";"Nov";"Dez"
mon "Januar";"Februar";"Maerz";"April";"Mai";"Juni";"Juli";"August";"September";"Oktober";/
    "November";"Dezember"
d_t_fmt "%a %d %b %Y %T"
d_fmt "%d.%m.%Y"
t_fmt "%T"
am_pm "";""
t_fmt_ampm ""
END LC_TIME
)";

  TempDirectory directory_;
  bool set_ = false;
};

}  // namespace svtune::test
