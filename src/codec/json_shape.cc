#include "codec/json_shape.h"

namespace ms {
namespace {

constexpr size_t kSeenMax = 256;

}  // namespace

JsonShape::JsonShape(std::vector<JsonField> fields) : fields_(std::move(fields)) {
  members_.push_back({});
  for (uint32_t f = 0; f < fields_.size(); ++f) add_path(f);
}

void JsonShape::add_path(uint32_t field) {
  uint32_t at = 0;
  std::string_view rest = fields_[field].path;
  while (true) {
    const size_t dot = rest.find('.');
    at = child(at, rest.substr(0, dot));
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  members_[at].fields.push_back(field);
}

uint32_t JsonShape::child(uint32_t of, std::string_view name) {
  for (const uint32_t c : members_[of].children)
    if (members_[c].name == name) return c;
  members_.push_back({.name = std::string(name)});
  const auto id = static_cast<uint32_t>(members_.size() - 1);
  members_[of].children.push_back(id);
  return id;
}

int32_t JsonShape::child_named(uint32_t member, std::string_view name) const {
  for (const uint32_t c : members_[member].children)
    if (members_[c].name == name) return static_cast<int32_t>(c);
  return kNobody;
}

int32_t JsonShape::find(uint32_t member, size_t position, const char* raw, std::string_view name) {
  const int32_t child = child_named(member, name);
  remember(members_[member], position, raw, name, child);
  return child;
}

void JsonShape::remember(Member& m, size_t position, const char* raw, std::string_view name, int32_t child) {
  if (position >= kSeenMax || name.size() + 1 > kReadable) return;
  if (std::memcmp(raw, name.data(), name.size()) != 0 || raw[name.size()] != '"') return;  // it has escapes
  if (m.seen.size() <= position) m.seen.resize(position + 1);
  Member::Seen& seen = m.seen[position];
  seen.size = static_cast<uint32_t>(name.size() + 1), seen.child = child;
  std::memcpy(seen.raw, raw, seen.size);
}

}  // namespace ms
