// Worked examples of docs/formats/*.md, as tests read them. A page holds blocks like
//   ```hex NAME
//   00 01 ff   what the bytes are (everything behind two spaces is comment)
//   ```
#pragma once

#include <cctype>
#include <fstream>
#include <stdexcept>
#include <string>

namespace ms::testing {


// The bytes of block `name` of the page at `path`. Throws when it is not there: a test must fail then.
inline std::string doc_example(const std::string& path, const std::string& name) {
  std::ifstream in(path);
  std::string line, out;
  bool inside = false;
  while (std::getline(in, line)) {
    if (inside && line.starts_with("```")) return out;
    if (inside) {
      const std::string bytes = line.substr(0, line.find("  "));
      for (size_t i = 0; i + 1 < bytes.size(); ++i) {
        if (!std::isxdigit(static_cast<unsigned char>(bytes[i]))) continue;
        out.push_back(static_cast<char>(std::stoi(bytes.substr(i, 2), nullptr, 16)));
        ++i;
      }
    }
    if (line == "```hex " + name) inside = true;
  }
  throw std::runtime_error("no example '" + name + "' in " + path);
}

}  // namespace ms::testing
