#include "catalog/yaml_documents.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "codec/utf8.h"

namespace ms::catalog {
namespace {

constexpr size_t kDocumentsMax = 1'000;

YAML::Mark mark_of(std::string_view text, size_t byte) {
  const std::string_view before = text.substr(0, byte);
  YAML::Mark mark;
  mark.pos = static_cast<int>(byte);
  mark.line = static_cast<int>(std::ranges::count(before, '\n'));
  mark.column = static_cast<int>(byte - (before.rfind('\n') + 1));
  return mark;
}

// Walks over documents, and sees when the parser does not get on.
class DocumentCounter final : public YAML::EventHandler {
 public:
  size_t count() const { return count_; }
  const YAML::Mark& last() const { return last_; }
  bool stands_still() const { return stands_still_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    stands_still_ = count_ > 0 && mark.pos == last_.pos;
    last_ = mark;
    ++count_;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  size_t count_ = 0;
  YAML::Mark last_;
  bool stands_still_ = false;
};

// yaml-cpp 0.7 gives empty documents without end in front of some misplaced signs, as a ',' or ']' where a document begins.
std::optional<YamlFault> endless(const std::string& text) {
  std::istringstream in(text);
  YAML::Parser parser(in);
  DocumentCounter counter;
  while (parser.HandleNextDocument(counter)) {
    if (counter.stands_still()) return YamlFault{counter.last(), "this sign cannot begin a value"};
    if (counter.count() > kDocumentsMax) return YamlFault{counter.last(), fmt::format("more than {} documents in one file", kDocumentsMax)};
  }
  return std::nullopt;
}

}  // namespace

std::expected<std::vector<YAML::Node>, YamlFault> read_yaml(const std::string& text) {
  if (const auto wrong = first_not_utf8(text)) return std::unexpected(YamlFault{mark_of(text, *wrong), "not UTF-8"});
  try {
    if (auto fault = endless(text)) return std::unexpected(std::move(*fault));
    return YAML::LoadAll(text);
  } catch (const YAML::Exception& e) {
    return std::unexpected(YamlFault{e.mark, e.msg});
  } catch (const std::exception& e) {
    return std::unexpected(YamlFault{YAML::Mark::null_mark(), fmt::format("not YAML: {}", e.what())});
  }
}

}  // namespace ms::catalog
