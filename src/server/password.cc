#include "server/password.h"

#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "base/file_system.h"
#include "server/output.h"

namespace ms::server {
namespace {

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

std::string ask(const std::string& prompt) {
  const NoEcho silence;  // before it asks: what is typed at once would be shown, and then thrown away
  fmt::print(stderr, "{}: ", prompt);
  std::string line;
  for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar()) line += static_cast<char>(c);
  return line;
}

std::string how(const PasswordSource& source) { return fmt::format("give the password in the variable {} or in a file with {} FILE", source.variable, source.option); }

Result<std::string> type_password(const PasswordSource& source) {
  if (!is_terminal(STDIN_FILENO)) return invalid(how(source));
  std::string password = ask(source.prompt);
  if (source.twice && ask("The same again") != password) return invalid("the two passwords differ; try again");
  return password;
}

Result<std::string> first_line(const std::string& file) {
  std::string line;
  if (file == "-") {
    std::getline(std::cin, line);
  } else {
    auto text = read_file(posix_file_system(), file);
    if (!text) return invalid(text.error().message);
    line = std::move(*text);
  }
  return line.substr(0, line.find_first_of("\r\n"));
}

}  // namespace

Result<std::string> read_password(const PasswordSource& source) {
  std::string password;
  if (!source.file.empty()) {
    TRY_ASSIGN(password, first_line(source.file));
  } else if (const char* variable = std::getenv(source.variable)) {
    password = variable;
  } else {
    TRY_ASSIGN(password, type_password(source));
  }
  if (password.empty()) return invalid(fmt::format("the password is empty; {}", how(source)));
  return password;
}

}  // namespace ms::server
