#include "catalog/window_text.h"

#include <fmt/format.h>

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

Result<int64_t> length(std::string_view text, std::string_view what) {
  const auto us = parse_duration(text);
  if (!us) return invalid(fmt::format("{} '{}' is not a duration like 10m, 1h or 7d", what, text));
  if (*us <= 0 || *us % kStep != 0) return invalid(fmt::format("{} {} is not a positive multiple of 10s", what, text));
  if (*us > kLengthMax) return invalid(fmt::format("{} {} is longer than 36500d; use lifetime for everything", what, text));
  return *us;
}

Result<NamedWindow> sliding(std::string_view size, std::string_view option) {
  NamedWindow out;
  out.window.kind = WindowKind::kSliding;
  TRY_ASSIGN(out.window.length_us, length(size, "window"));
  out.window.hop_us = feature::ladder_hop(out.window.length_us);
  out.suffix = size;
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

}  // namespace

Result<NamedWindow> parse_window(std::string_view text) {
  text = trim(text);
  if (text == "lifetime") return NamedWindow{{.kind = WindowKind::kLifetime}, "lifetime"};
  const size_t open = text.find('(');
  if (open == std::string_view::npos) {
    if (text.empty() || text[0] < '0' || text[0] > '9') {
      static const std::string kKinds[] = {"sliding", "tumbling", "lifetime"};
      return invalid(fmt::format("'{}' is not a window{}; write 1h, sliding(1h, hop: 1m), sliding(7d, exact), tumbling(1h) or lifetime", text, did_you_mean(text, kKinds)));
    }
    return sliding(text, {});
  }
  if (!text.ends_with(')')) return invalid(fmt::format("'{}' has no closing ')'; in a list in brackets a window with a comma needs quotes", text));
  const std::string_view kind = trim(text.substr(0, open));
  const std::string_view inside = text.substr(open + 1, text.size() - open - 2);
  const size_t comma = inside.find(',');
  const std::string_view size = trim(inside.substr(0, comma));
  const std::string_view option = comma == std::string_view::npos ? std::string_view() : trim(inside.substr(comma + 1));
  if (kind == "sliding") return sliding(size, option);
  if (kind == "tumbling") {
    if (!option.empty()) return invalid(fmt::format("tumbling takes no option, not '{}'", option));
    NamedWindow out{{.kind = WindowKind::kTumbling}, std::string(size) + "_tumbling"};
    TRY_ASSIGN(out.window.length_us, length(size, "window"));
    return out;
  }
  static const std::string kKinds[] = {"sliding", "tumbling", "lifetime"};
  return invalid(fmt::format("there is no window '{}'{}", kind, did_you_mean(kind, kKinds)));
}

std::string describe(const Window& w) {
  switch (w.kind) {
    case WindowKind::kSliding: return fmt::format("sliding {}, hop {}", format_duration(w.length_us), format_duration(w.hop_us));
    case WindowKind::kSlidingExact: return fmt::format("sliding {}, exact", format_duration(w.length_us));
    case WindowKind::kTumbling: return fmt::format("tumbling {}", format_duration(w.length_us));
    case WindowKind::kLifetime: return "lifetime";
  }
  return "?";
}

}  // namespace ms::catalog
