// For tests only: golden files as text, read into the cases of golden.h. Here and not in a library: the tests of other folders read them
// too.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "base/types.h"
#include "engine/testing/golden.h"
#include "feature/value.h"

namespace ms::engine::testing {

inline std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  for (size_t at = 0; (at = text.find_first_not_of(' ', at)) != std::string_view::npos;) {
    const size_t end = std::min(text.find(' ', at), text.size());
    out.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

class GoldenParser {
 public:
  Result<std::vector<GoldenCase>> run(std::string_view text) {
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      ++line_;
      if (auto done = line(text.substr(at, end - at)); !done) return Unexpected(done.error().within(fmt::format("line {}", line_)));
      at = end + 1;
    }
    for (const GoldenCase& c : cases_) {
      if (c.questions.empty() && c.dead.empty()) return invalid(fmt::format("line {}: case '{}' asks nothing", c.line, c.name));
    }
    if (cases_.empty()) return invalid("line 1: no case");
    return std::move(cases_);
  }

 private:
  Result<> line(std::string_view text) {
    const bool inside = text.starts_with("  ");
    if (section_ == "definitions" && (inside || text.empty())) {
      definitions_ += std::string(inside ? text.substr(2) : text) + "\n";
      return {};
    }
    const size_t first = text.find_first_not_of(' ');
    if (first == std::string_view::npos || text[first] == '#') return {};
    if (!inside) return head(text);
    if (section_ == "events") return event(text);
    if (section_ == "dead") return dead(text);
    if (section_ == "questions") return text.starts_with("    ") ? answer(text.substr(4)) : question(text);
    return invalid("a section must come first: definitions, day, case, events, dead, questions");
  }

  Result<> head(std::string_view text) {
    if (text == "definitions") {
      definitions_.clear();
    } else if (text.starts_with("day ")) {
      day_ = text.substr(4);
      TRY(parse_time(day_));
    } else if (text.starts_with("case ")) {
      cases_.push_back({.name = std::string(text.substr(5)), .line = line_, .definitions = definitions_});
    } else if (text != "events" && text != "dead" && text != "questions") {
      return invalid(fmt::format("unknown section '{}'", text));
    } else if (cases_.empty()) {
      return invalid("no case yet");
    }
    section_ = text;
    return {};
  }

  Result<int64_t> time(std::string_view text) const {
    if (text.find('T') != std::string_view::npos) return parse_time(text);
    if (day_.empty()) return invalid(fmt::format("'{}' needs a day", text));
    return parse_time(fmt::format("{}T{}Z", day_, text));
  }

  static Result<std::pair<int32_t, int64_t>> position(std::string_view text) {
    int32_t partition = 0;
    int64_t offset = 0;
    const char* end = text.data() + text.size();
    const auto p = std::from_chars(text.data(), end, partition);
    if (p.ec != std::errc() || p.ptr == end || *p.ptr != '/') return invalid(fmt::format("'{}' is not PARTITION/OFFSET", text));
    const auto o = std::from_chars(p.ptr + 1, end, offset);
    if (o.ec != std::errc() || o.ptr != end || partition < 0 || offset < 0)
      return invalid(fmt::format("'{}' is not PARTITION/OFFSET", text));
    return std::pair(partition, offset);
  }

  // "@09:58:30" in the JSON is that time of the day, in full.
  Result<std::string> with_times(std::string json) const {
    static const std::regex short_time("\"@([0-9:.]+)\"");
    std::smatch match;
    while (std::regex_search(json, match, short_time)) {
      TRY_ASSIGN(const int64_t us, time(match[1].str()));
      json = match.prefix().str() + '"' + format_time(us) + '"' + match.suffix().str();
    }
    return json;
  }

  Result<> event(std::string_view text) {
    GoldenCase& golden = cases_.back();
    const auto words = words_of(text);
    const size_t json = text.find('{');
    if (words.size() < 3 || json == std::string_view::npos) return invalid("expected: APPENDED PARTITION/OFFSET {JSON}");
    TRY_ASSIGN(const int64_t at, time(words[0]));
    TRY_ASSIGN(const auto where, position(words[1]));
    TRY_ASSIGN(std::string value, with_times(std::string(text.substr(json))));
    if (!golden.events.empty() && at < golden.events.back().at) return invalid("events stand in the order of their append times");
    for (const GoldenEvent& e : golden.events) {
      if (e.partition == where.first && e.offset >= where.second) return invalid("offsets of a partition grow");
    }
    golden.events.push_back({at, where.first, where.second, std::move(value)});
    return {};
  }

  Result<> dead(std::string_view text) {
    const auto words = words_of(text);
    if (words.size() < 2) return invalid("expected: PARTITION/OFFSET REASON");
    TRY_ASSIGN(const auto where, position(words[0]));
    cases_.back().dead.push_back({line_, where.first, where.second, std::string(text.substr(text.find(words[1])))});
    return {};
  }

  Result<> question(std::string_view text) {
    const size_t request = text.find(" request {");
    const auto words = words_of(text.substr(0, request));
    if (words.size() < 2) return invalid("expected: KEY TIME [after_event] [as_served] [pin P/O]... [without P/O]... [self P/O] [request {JSON}]");
    GoldenQuestion q{.line = line_, .key = words[0]};
    if (request != std::string_view::npos) q.request = text.substr(text.find('{', request));
    TRY_ASSIGN(q.t, time(words[1]));
    for (size_t i = 2; i < words.size(); ++i) {
      if (words[i] == "after_event") {
        q.after_event = true;
      } else if (words[i] == "as_served") {
        q.as_served = true;
      } else if ((words[i] == "pin" || words[i] == "without" || words[i] == "self") && i + 1 < words.size()) {
        TRY_ASSIGN(const auto where, position(words[i + 1]));
        if (words[i++] == "pin") {
          q.pin.insert(where);
        } else if (words[i - 1] == "self") {
          q.self = where;
          q.after_event = true;
        } else {
          q.without.insert(where);
        }
      } else {
        return invalid(fmt::format("'{}': expected after_event, as_served, pin P/O, without P/O, self P/O", words[i]));
      }
    }
    if (q.as_served && !(q.pin.empty() && q.without.empty())) return invalid("as_served takes no pin and no without");
    cases_.back().questions.push_back(std::move(q));
    columns_.clear();
    return {};
  }

  Result<> answer(std::string_view text) {
    if (cases_.back().questions.empty()) return invalid("no question yet");
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    if (text.starts_with('|')) return columns(text.substr(1));
    const size_t equals = text.find(" = ");
    if (equals == std::string_view::npos && text.find('|') != std::string_view::npos) return row(cells_of(text));
    if (equals == std::string_view::npos) return invalid("expected: FEATURE = VALUE [STATUS] [@EVENT_TIME]");
    return answer(std::string(text.substr(0, equals)), text.substr(equals + 3));
  }

  static std::vector<std::string_view> cells_of(std::string_view text, char between = '|') {
    std::vector<std::string_view> out;
    for (size_t at = 0; at <= text.size();) {
      const size_t end = std::min(text.find(between, at), text.size());
      std::string_view cell = text.substr(at, end - at);
      cell.remove_prefix(std::min(cell.find_first_not_of(' '), cell.size()));
      out.push_back(cell.substr(0, cell.find_last_not_of(' ') + 1));
      at = end + 1;
    }
    return out;
  }

  // The head of a table: the ends of the features' names, in columns.
  Result<> columns(std::string_view text) {
    columns_.clear();
    for (const std::string_view column : cells_of(text)) columns_.push_back(cells_of(column, ','));
    return {};
  }

  // "x_sum | 1 | 2" below "| 1h | lifetime": x_sum_1h = 1, x_sum_lifetime = 2.
  Result<> row(const std::vector<std::string_view>& cells) {
    if (cells.size() != columns_.size() + 1)
      return invalid(fmt::format("{} cells in a table of {} columns", cells.size() - 1, columns_.size()));
    for (size_t c = 0; c < columns_.size(); ++c) {
      for (const std::string_view end : columns_[c]) TRY(answer(fmt::format("{}_{}", cells[0], end), cells[c + 1]));
    }
    return {};
  }

  // Texts, lists and maps may have spaces in them.
  static size_t end_of_value(std::string_view text) {
    const size_t kind = std::string_view("\"[{").find(text[0]);
    if (kind == std::string_view::npos) return std::min(text.find(' '), text.size());
    return text.rfind(std::string_view("\"]}")[kind]) + 1;
  }

  Result<> answer(std::string feature, std::string_view rest) {
    GoldenQuestion& q = cases_.back().questions.back();
    GoldenAnswer a{.line = line_, .feature = std::move(feature)};
    if (rest.empty()) return invalid("a value is missing");
    const size_t end = end_of_value(rest);
    a.value = rest.substr(0, end);
    for (const std::string& word : words_of(rest.substr(end))) {
      if (word == "@none") {
        a.event_time = feature::kNoEventTime;
      } else if (word.starts_with('@')) {
        TRY_ASSIGN(a.event_time, time(word.substr(1)));
      } else {
        a.status = word;
      }
    }
    if (a.feature == "found") {
      if (a.value != "true" && a.value != "false") return invalid("found is true or false");
      q.found = a.value == "true";
      return {};
    }
    if (a.status.empty() && a.value == "null") return invalid("a null answer needs its status");
    if (a.status.empty()) a.status = "PRESENT";
    q.answers.push_back(std::move(a));
    return {};
  }

  size_t line_ = 0;
  std::string section_, day_, definitions_;
  std::vector<std::vector<std::string_view>> columns_;  // of the question's table; views into the text
  std::vector<GoldenCase> cases_;
};

// Errors (InvalidArgument) begin with "line N: ".
inline Result<std::vector<GoldenCase>> parse_golden(std::string_view text) { return GoldenParser().run(text); }

// The *.ftest files of a directory by name; a file that cannot be read is a failed expectation and has no cases.
inline std::vector<GoldenFile> golden_files(const std::string& directory = MS_SOURCE_DIR "/tests/golden") {
  std::vector<GoldenFile> out;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() != ".ftest") continue;
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    auto cases = parse_golden(text.str());
    EXPECT_TRUE(cases) << entry.path().filename() << ": " << cases.error().message;
    out.push_back({entry.path().filename(), cases ? std::move(*cases) : std::vector<GoldenCase>()});
  }
  return out;
}

}  // namespace ms::engine::testing
