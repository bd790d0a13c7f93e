#include "catalog/window_text.h"

#include <fmt/format.h>

#include <charconv>
#include <span>
#include <vector>

#include "base/nearest.h"

namespace ms::catalog {
namespace {

using feature::Window;
using feature::WindowKind;

constexpr int64_t kStep = 10 * kMicrosPerSecond;
constexpr int64_t kLengthMax = 36'500 * kMicrosPerDay;

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t from = 0; from <= text.size();) {
    const size_t to = std::min(text.find(',', from), text.size());
    out.push_back(trim(text.substr(from, to - from)));
    from = to + 1;
  }
  return out;
}

Result<int64_t> length(std::string_view text, std::string_view what) {
  const auto us = parse_duration(text);
  if (!us) return invalid(fmt::format("{} '{}' is not a duration like 10m, 1h or 7d", what, text));
  if (*us <= 0 || *us % kStep != 0) return invalid(fmt::format("{} {} is not a positive multiple of 10s", what, text));
  if (*us > kLengthMax) return invalid(fmt::format("{} {} is longer than 36500d; use lifetime for everything", what, text));
  return *us;
}

Result<int64_t> count(std::string_view text, std::string_view what, int64_t least) {
  int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc{} || end != text.data() + text.size()) return invalid(fmt::format("'{}' is not a number of {}: a whole number from {} to {}", text, what, least, feature::kWindowCountMax));
  if (n < least || n > feature::kWindowCountMax) return invalid(fmt::format("{} {} are outside {}..{}", n, what, least, feature::kWindowCountMax));
  return n;
}

// What stands in the parentheses, from the second on: none of them empty.
using Arguments = std::span<const std::string_view>;

Result<NamedWindow> sliding(std::string_view size, Arguments options) {
  NamedWindow out;
  out.window.kind = WindowKind::kSliding;
  TRY_ASSIGN(out.window.length_us, length(size, "window"));
  out.window.hop_us = feature::ladder_hop(out.window.length_us);
  out.suffix = size;
  if (options.size() > 1) return invalid(fmt::format("sliding takes one option, 'hop: 1m' or 'exact', not '{}' too", options[1]));
  const std::string_view option = options.empty() ? std::string_view() : options[0];
  if (option == "exact") {
    out.window.kind = WindowKind::kSlidingExact, out.window.hop_us = 0;
    out.suffix += "_exact";
    return out;
  }
  if (option.starts_with("hop:")) {
    const std::string_view hop = trim(option.substr(4));
    TRY_ASSIGN(out.window.hop_us, length(hop, "hop"));
    out.suffix += fmt::format("_hop_{}", hop);
  } else if (!option.empty()) {
    return invalid(fmt::format("'{}' is no option of sliding; there are 'hop: 1m' and 'exact'", option));
  }
  if (out.window.hop_us > out.window.length_us || out.window.length_us % out.window.hop_us != 0)
    return invalid(fmt::format("the hop {} does not divide the window {}; give one that does: sliding({}, hop: {})", format_duration(out.window.hop_us), size,
                               size, format_duration(out.window.length_us % kMicrosPerMinute == 0 ? kMicrosPerMinute : kStep)));
  return out;
}

Result<NamedWindow> tumbling(std::string_view size, Arguments options) {
  if (!options.empty()) return invalid(fmt::format("tumbling takes no option, not '{}'", options[0]));
  NamedWindow out{{.kind = WindowKind::kTumbling}, std::string(size) + "_tumbling"};
  TRY_ASSIGN(out.window.length_us, length(size, "window"));
  return out;
}

Result<NamedWindow> hopping(std::string_view size, Arguments options) {
  if (options.size() != 1) return invalid("hopping takes a length and how often one begins: hopping(1h, 5m)");
  NamedWindow out{{.kind = WindowKind::kHopping}, fmt::format("{}_hopping_{}", size, options[0])};
  TRY_ASSIGN(out.window.length_us, length(size, "window"));
  TRY_ASSIGN(out.window.hop_us, length(options[0], "hop"));
  if (out.window.hop_us > out.window.length_us)
    return invalid(fmt::format("a hop of {} is longer than the window {}, so some rows would lie in no window; the length comes first: hopping({}, {})", options[0], size, options[0], size));
  return out;
}

Result<NamedWindow> session(std::string_view gap, Arguments options) {
  if (options.empty() || options.size() > 2) return invalid("session takes a gap and the longest session there can be: session(30m, 12h), or session(30m, 12h, closed) for the last one that ended");
  NamedWindow out{{.kind = WindowKind::kSession, .closed = options.size() == 2}, fmt::format("{}_session_{}", gap, options[0])};
  if (out.window.closed) {
    if (options[1] != "closed") return invalid(fmt::format("'{}' is no option of session; there is 'closed'", options[1]));
    out.suffix += "_closed";
  }
  TRY_ASSIGN(out.window.hop_us, length(gap, "gap"));
  TRY_ASSIGN(out.window.length_us, length(options[0], "longest session"));
  if (out.window.hop_us > out.window.length_us)
    return invalid(fmt::format("a gap of {} is longer than the longest session {}; the gap comes first: session({}, {})", gap, options[0], options[0], gap));
  return out;
}

Result<NamedWindow> last(std::string_view rows, Arguments options) {
  if (options.size() > 1) return invalid(fmt::format("last takes a number of rows and at most an age: last(10, 7d), not '{}' too", options[1]));
  NamedWindow out{{.kind = WindowKind::kLast}, ""};
  TRY_ASSIGN(out.window.count, count(rows, "rows", 1));
  out.suffix = fmt::format("last_{}", out.window.count);
  if (options.empty()) return out;
  TRY_ASSIGN(out.window.length_us, length(options[0], "age"));
  out.suffix += fmt::format("_{}", options[0]);
  return out;
}

Result<NamedWindow> decay(std::string_view half_life, Arguments options) {
  if (!options.empty()) return invalid(fmt::format("decay takes a half-life alone, as in decay(1h), not '{}' too", options[0]));
  NamedWindow out{{.kind = WindowKind::kDecay}, std::string(half_life) + "_decay"};
  TRY_ASSIGN(out.window.length_us, length(half_life, "half-life"));
  out.window.hop_us = feature::ladder_width(out.window.length_us).value();  // of 10 s and more there is one
  return out;
}

Result<NamedWindow> series(std::string_view step, Arguments options) {
  if (options.size() != 1) return invalid("series takes a step and how many there are: series(1h, 24)");
  NamedWindow out{{.kind = WindowKind::kSeries}, ""};
  TRY_ASSIGN(out.window.length_us, length(step, "step"));
  TRY_ASSIGN(out.window.count, count(options[0], "steps", 2));
  out.suffix = fmt::format("{}_series_{}", step, out.window.count);
  return out;
}

// Of a label: exact, ahead of t.
Result<NamedWindow> next(std::string_view first, Arguments options) {
  if (options.size() > 1)
    return invalid(fmt::format("next takes an end, or a beginning and an end: next(7d), next(1h, 4h), not '{}' too", options[1]));
  NamedWindow out{{.kind = WindowKind::kSlidingExact}, fmt::format("next_{}", first)};
  if (options.empty()) {
    TRY_ASSIGN(out.ahead_us, length(first, "label window"));
    out.window.length_us = out.ahead_us;
    return out;
  }
  out.suffix += fmt::format("_to_{}", options[0]);
  TRY_ASSIGN(const int64_t from, length(first, "beginning"));
  TRY_ASSIGN(out.ahead_us, length(options[0], "end"));
  if (from >= out.ahead_us)
    return invalid(fmt::format("a label window must end after it begins; the beginning comes first: next({}, {})", options[0], first));
  out.window.length_us = out.ahead_us - from;
  return out;
}

struct Kind {
  std::string_view name, example;
  Result<NamedWindow> (*parse)(std::string_view first, Arguments others);
};
constexpr Kind kKinds[] = {
    {"sliding", "sliding(1h, hop: 1m), sliding(7d, exact)", sliding},
    {"tumbling", "tumbling(1h)", tumbling},
    {"hopping", "hopping(1h, 5m)", hopping},
    {"session", "session(30m, 12h)", session},
    {"last", "last(10)", last},
    {"decay", "decay(1h)", decay},
    {"series", "series(1h, 24)", series},
    {"next", "next(7d)", next},
};

// "; did you mean 'x'?", or all that there are.
std::string hint(std::string_view word) {
  std::vector<std::string> names = {"lifetime"};
  std::string examples = "1h";
  for (const Kind& k : kKinds) {
    if (k.parse == next) continue;  // no window of a feature
    names.emplace_back(k.name), examples += fmt::format(", {}", k.example);
  }
  const std::string near = did_you_mean(word, names);
  return near.empty() ? fmt::format("; write {} or lifetime", examples) : near;
}

}  // namespace

Result<NamedWindow> parse_window(std::string_view text) {
  text = trim(text);
  if (text == "lifetime") return NamedWindow{{.kind = WindowKind::kLifetime}, "lifetime"};
  const size_t open = text.find('(');
  if (open == std::string_view::npos) {
    if (!text.empty() && text[0] >= '0' && text[0] <= '9') return sliding(text, {});
    for (const Kind& k : kKinds)
      if (k.name == text) return invalid(fmt::format("'{}' does not say how long; write {}", text, k.example));
    return invalid(fmt::format("'{}' is not a window{}", text, hint(text)));
  }
  if (!text.ends_with(')')) return invalid(fmt::format("'{}' has no closing ')'; in a list in brackets a window with a comma needs quotes", text));
  const std::string_view name = trim(text.substr(0, open));
  const std::vector<std::string_view> inside = split(text.substr(open + 1, text.size() - open - 2));
  for (const Kind& k : kKinds) {
    if (k.name != name) continue;
    for (const std::string_view part : inside)
      if (part.empty()) return invalid(fmt::format("'{}' has nothing where something belongs; write {}", text, k.example));
    return k.parse(inside[0], Arguments(inside).subspan(1));
  }
  return invalid(fmt::format("there is no window '{}'{}", name, hint(name)));
}

std::string describe_label(const feature::FeatureDefinition& label) {
  const int64_t from = label.ahead_us - label.window.length_us;
  if (from == 0) return fmt::format("next {}", format_duration(label.ahead_us));
  return fmt::format("next {} to {}", format_duration(from), format_duration(label.ahead_us));
}

std::string describe(const Window& w) {
  const std::string length = format_duration(w.length_us), hop = format_duration(w.hop_us);
  switch (w.kind) {
    case WindowKind::kSliding: return fmt::format("sliding {}, hop {}", length, hop);
    case WindowKind::kSlidingExact: return fmt::format("sliding {}, exact", length);
    case WindowKind::kTumbling: return fmt::format("tumbling {}", length);
    case WindowKind::kLifetime: return "lifetime";
    case WindowKind::kHopping: return fmt::format("hopping {}, one every {}", length, hop);
    case WindowKind::kSession:
      if (w.closed) return fmt::format("session, gap {}, at most {}, the last closed", hop, length);
      return fmt::format("session, gap {}, at most {}, reach {}", hop, length, format_duration(w.length_us + 2 * w.hop_us));
    case WindowKind::kLast: return w.length_us == 0 ? fmt::format("last {} rows", w.count) : fmt::format("last {} rows of {}", w.count, length);
    case WindowKind::kDecay: return fmt::format("decay, half-life {}, tiles of {}", length, hop);
    case WindowKind::kSeries: return fmt::format("series of {} times {}", w.count, length);
  }
  return "?";
}

}  // namespace ms::catalog
