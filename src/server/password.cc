#include "server/password.h"

#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/file_system.h"
#include "server/output.h"

namespace ms::server {
namespace {

constexpr const char* kHow = "give the password in the variable MILLSTREAM_PASSWORD or in a file with --password-file FILE";

class NoEcho {
 public:
  NoEcho() {
    ::tcgetattr(STDIN_FILENO, &before_);
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  ~NoEcho() {
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    fmt::print(stderr, "\n");
  }

 private:
  termios before_{};
};

std::string ask(const char* prompt) {
  fmt::print(stderr, "{}", prompt);
  const NoEcho silence;
  std::string line;
  for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar()) line += static_cast<char>(c);
  return line;
}

Result<std::string> type_password(bool twice) {
  if (!is_terminal(STDIN_FILENO)) return invalid(kHow);
  std::string password = ask("Password: ");
  if (twice && ask("The same again: ") != password) return invalid("the two passwords differ; try again");
  return password;
}

}  // namespace

Result<std::string> read_password(const std::string& file, bool twice) {
  std::string password;
  if (!file.empty()) {
    const auto text = read_file(posix_file_system(), file);
    if (!text) return invalid(text.error().message);
    password = text->substr(0, text->find_first_of("\r\n"));
  } else if (const char* variable = std::getenv("MILLSTREAM_PASSWORD")) {
    password = variable;
  } else {
    TRY_ASSIGN(password, type_password(twice));
  }
  if (password.empty()) return invalid(fmt::format("the password is empty; {}", kHow));
  return password;
}

}  // namespace ms::server
