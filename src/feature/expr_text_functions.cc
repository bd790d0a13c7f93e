// The functions of the language on texts.
#include <cstring>

#include "feature/expr_functions.h"
#include "feature/expr_text.h"

namespace ms::feature {
namespace {

using Text = std::string_view;

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }
size_t point_bytes(Text text) {
  size_t n = 1;
  while (n < text.size() && continues(text[n])) ++n;
  return text.empty() ? 0 : n;
}
size_t last_point_bytes(Text text) {
  size_t n = 1;
  while (n < text.size() && continues(text[text.size() - n])) ++n;
  return text.empty() ? 0 : n;
}

// A text that grows by pieces, up to the bound.
class Made {
 public:
  explicit Made(StringArena& arena) : arena_(arena) { buffer().clear(); }
  bool add(Text piece) {
    if (buffer().size() + piece.size() > kTextBytesMax) return false;
    buffer().append(piece);
    return true;
  }
  Text done() { return buffer().empty() ? Text() : arena_.add(buffer()); }

 private:
  static std::string& buffer() {
    thread_local std::string of_thread;
    return of_thread;
  }
  StringArena& arena_;
};
const std::unexpected<Failed> kTooLong{Failed{}};

bool is_one_of(Text point, Text points) {
  for (size_t at = 0; at < points.size();) {
    const size_t n = point_bytes(points.substr(at));
    if (points.substr(at, n) == point) return true;
    at += n;
  }
  return false;
}
Text ltrim_of(Text s, Text which) {
  while (!s.empty() && is_one_of(s.substr(0, point_bytes(s)), which)) s.remove_prefix(point_bytes(s));
  return s;
}
Text rtrim_of(Text s, Text which) {
  while (!s.empty() && is_one_of(s.substr(s.size() - last_point_bytes(s)), which)) s.remove_suffix(last_point_bytes(s));
  return s;
}
Text trim_of(Text s, Text which) { return rtrim_of(ltrim_of(s, which), which); }
Text ltrim_spaces(Text s) { return ltrim_of(s, " "); }
Text rtrim_spaces(Text s) { return rtrim_of(s, " "); }
Text trim_spaces(Text s) { return trim_of(s, " "); }

OrFails<Text> replace_in(Text s, Text from, Text to, StringArena& arena) {
  if (from.empty()) return s;
  Made made(arena);
  for (size_t at = 0;;) {
    const size_t found = s.find(from, at);
    if (!made.add(s.substr(at, found - at))) return kTooLong;
    if (found == Text::npos) return made.done();
    if (!made.add(to)) return kTooLong;
    at = found + from.size();
  }
}

bool starts_with(Text s, Text part) { return s.starts_with(part); }
bool ends_with(Text s, Text part) { return s.ends_with(part); }
bool contains(Text s, Text part) { return s.find(part) != Text::npos; }
int64_t strpos(Text s, Text part) {
  const size_t at = s.find(part);
  return at == Text::npos ? 0 : text_length(s.substr(0, at)) + 1;
}
int64_t position(Text part, Text s) { return strpos(s, part); }

int64_t parts_in(Text s, Text separator) {
  int64_t n = 1;
  for (size_t at = s.find(separator); at != Text::npos; at = s.find(separator, at + separator.size())) ++n;
  return n;
}
Text split_part(Text s, Text separator, int64_t n) {
  if (separator.empty()) return n == 1 || n == -1 ? s : Text();
  if (n < 0) n = n < -parts_in(s, separator) ? 0 : parts_in(s, separator) + n + 1;
  if (n < 1) return {};
  size_t at = 0;
  for (; n > 1; --n) {
    const size_t found = s.find(separator, at);
    if (found == Text::npos) return {};
    at = found + separator.size();
  }
  return s.substr(at, s.find(separator, at) - at);
}

// A negative count leaves out so many at the other end.
Text left_of(Text s, int64_t n) {
  if (n < 0) n = n == INT64_MIN ? 0 : std::max<int64_t>(0, text_length(s) + n);
  return text_part(s, 1, n);
}
Text right_of(Text s, int64_t n) {
  const int64_t points = text_length(s);
  const int64_t skip = n >= 0 ? points - std::min(n, points) : n == INT64_MIN ? points : std::min(points, -n);
  return text_part(s, skip + 1, INT64_MAX);
}

// What is missing of `n` code points, from `fill` over and over. nullopt: beyond the bound.
std::optional<std::string> padding(Text s, int64_t n, Text fill) {
  std::string out;
  const int64_t missing = n - text_length(s), points = text_length(fill);
  if (points == 0) return out;  // empty, or bytes that are no text
  const int64_t whole = missing / points;
  if (whole > static_cast<int64_t>(kTextBytesMax / fill.size())) return std::nullopt;
  for (int64_t i = 0; i < whole; ++i) out.append(fill);
  out.append(text_part(fill, 1, missing % points));
  if (s.size() + out.size() > kTextBytesMax) return std::nullopt;
  return out;
}
OrFails<Text> pad(Text s, int64_t n, Text fill, bool left, StringArena& arena) {
  if (n <= text_length(s)) return text_part(s, 1, n);
  const auto more = padding(s, n, fill);
  if (!more) return kTooLong;
  return left ? text_joined(*more, s, arena) : text_joined(s, *more, arena);
}
// The padding must live as long as the result, also where it is all of it.
OrFails<Text> lpad_with(Text s, int64_t n, Text fill, StringArena& arena) {
  if (s.empty() && n > 0) {
    const auto more = padding(s, n, fill);
    if (!more) return kTooLong;
    return more->empty() ? Text() : arena.add(*more);
  }
  return pad(s, n, fill, true, arena);
}
OrFails<Text> rpad_with(Text s, int64_t n, Text fill, StringArena& arena) { return s.empty() ? lpad_with(s, n, fill, arena) : pad(s, n, fill, false, arena); }
OrFails<Text> lpad_spaces(Text s, int64_t n, StringArena& arena) { return lpad_with(s, n, " ", arena); }
OrFails<Text> rpad_spaces(Text s, int64_t n, StringArena& arena) { return rpad_with(s, n, " ", arena); }

Text reverse_of(Text s, StringArena& arena) {
  if (s.empty()) return s;
  char* const out = arena.allocate(s.size());
  size_t to = s.size();
  for (size_t at = 0; at < s.size();) {
    const size_t n = point_bytes(s.substr(at));
    to -= n;
    std::memcpy(out + to, s.data() + at, n);
    at += n;
  }
  return {out, s.size()};
}

OrFails<Text> repeat_of(Text s, int64_t n, StringArena& arena) {
  if (n <= 0 || s.empty()) return Text();
  if (n > static_cast<int64_t>(kTextBytesMax / s.size())) return kTooLong;
  const size_t size = s.size() * static_cast<size_t>(n);
  char* const out = arena.allocate(size);
  for (size_t at = 0; at < size; at += s.size()) std::memcpy(out + at, s.data(), s.size());
  return Text(out, size);
}

Text substr_from(Text s, int64_t from) { return text_part(s, from, INT64_MAX); }

// concat and concat_ws skip nulls; an error in any argument is the row's.
void join(const Call& c, size_t first, auto separator) {
  for (size_t r = 0; r < c.rows; ++r) {
    if (c.out.error(r) != 0) continue;
    if (first == 1 && !c.args[0]->valid(r)) {
      c.out.own.set_null(r);
      continue;
    }
    Made made(c.arena);
    bool fits = true, any = false;
    for (size_t i = first; i < c.args.size(); ++i) {
      if (!c.args[i]->valid(r)) continue;
      if (any) fits = fits && made.add(separator(r));
      fits = fits && made.add(c.args[i]->s(r));
      any = true;
    }
    if (!fits) {
      c.fail(r);
      continue;
    }
    c.out.own.set_valid(r);
    c.out.own.strings[r] = made.done();
  }
}
void concat(const Call& c) {
  join(c, 0, [](size_t) { return Text(); });
}
void concat_ws(const Call& c) {
  join(c, 1, [&](size_t r) { return c.args[0]->s(r); });
}

std::string pattern_fault(const std::string& pattern) {
  const auto compiled = TextPattern::compile(pattern);
  return compiled ? std::string() : "cannot use this pattern: " + compiled.error();
}
void regexp_matches(const Call& c) {
  for (size_t r = 0; r < c.rows; ++r)
    if (c.out.own.valid(r)) c.out.own.bools[r] = c.node.pattern->matches(c.args[0]->s(r)) ? 1 : 0;
}
void regexp_extract(const Call& c) {
  for (size_t r = 0; r < c.rows; ++r) {
    if (!c.out.own.valid(r)) continue;
    kernel::put(c, r, c.node.pattern->extract(c.args[0]->s(r)));
  }
}

ScalarFunction with_literal(ScalarFunction f, int literal) {
  f.literal = literal;
  return f;
}

}  // namespace

std::vector<ScalarFunction> text_functions() {
  using enum TypeKind;
  return {
      scalar<&text_lower>("lower"), scalar<&text_upper>("upper"), scalar<&text_initcap>("initcap"), scalar<&text_length>("length"),
      scalar<&substr_from>("substr"), scalar<&text_part>("substr"), scalar<&text_joined>("||", kTextTooLong), with_literal(scalar<&text_like>("like"), 1),
      scalar<&trim_spaces>("trim"), scalar<&trim_of>("trim"), scalar<&ltrim_spaces>("ltrim"), scalar<&ltrim_of>("ltrim"),
      scalar<&rtrim_spaces>("rtrim"), scalar<&rtrim_of>("rtrim"), scalar<&replace_in>("replace", kTextTooLong),
      scalar<&starts_with>("starts_with"), scalar<&ends_with>("ends_with"), scalar<&contains>("contains"),
      scalar<&strpos>("strpos"), scalar<&position>("position"), scalar<&split_part>("split_part"),
      scalar<&left_of>("left"), scalar<&right_of>("right"), scalar<&reverse_of>("reverse"), scalar<&repeat_of>("repeat", kTextTooLong),
      scalar<&lpad_spaces>("lpad", kTextTooLong), scalar<&lpad_with>("lpad", kTextTooLong),
      scalar<&rpad_spaces>("rpad", kTextTooLong), scalar<&rpad_with>("rpad", kTextTooLong),
      {.name = "concat", .in = {kString}, .out = kString, .run = concat, .fails = kTextTooLong, .repeats = true, .sees_nulls = true},
      {.name = "concat_ws", .in = {kString, kString}, .out = kString, .run = concat_ws, .fails = kTextTooLong, .repeats = true, .sees_nulls = true},
      {.name = "regexp_matches", .in = {kString, kString}, .out = kBool, .run = regexp_matches, .literal = 1, .check = pattern_fault, .takes_pattern = true},
      {.name = "regexp_extract", .in = {kString, kString}, .out = kString, .run = regexp_extract, .literal = 1, .check = pattern_fault, .takes_pattern = true},
  };
}

}  // namespace ms::feature
