#include "codec/packed_value.h"

#include <bit>
#include <cstring>

#include "base/check.h"
#include "codec/utf8.h"

namespace ms {
namespace {

size_t element_bytes(TypeKind kind) {
  switch (kind) {
    case TypeKind::kBool: return 1;
    case TypeKind::kDecimal: return 16;
    case TypeKind::kString: return 4;
    default: return 8;
  }
}

template <class T>
T load(const char* at) {
  T v;
  std::memcpy(&v, at, sizeof v);
  return v;
}

template <class T>
void append(std::string& out, const T& v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

// The size of the list at the front of `bytes`, or 0: it runs past their end or its texts' ends do not ascend.
size_t measure(TypeKind element, std::string_view bytes) {
  if (bytes.size() < 4) return 0;
  const size_t n = load<uint32_t>(bytes.data());
  const size_t head = 4 + (n + 7) / 8, fixed = head + n * element_bytes(element);
  if (fixed > bytes.size()) return 0;
  if (element != TypeKind::kString) return fixed;
  uint32_t end = 0;
  for (size_t i = 0; i < n; ++i) {
    const auto next = load<uint32_t>(bytes.data() + head + 4 * i);
    if (next < end) return 0;
    end = next;
  }
  return end > bytes.size() - fixed ? 0 : fixed + end;
}

bool valid_list(TypeKind element, std::string_view bytes, bool nulls, size_t& size) {
  size = measure(element, bytes);
  if (size == 0) return false;
  const PackedList list(element, bytes);
  const size_t n = list.size();
  if (n % 8 != 0 && (static_cast<uint8_t>(bytes[4 + n / 8]) >> (n % 8)) != 0) return false;
  for (size_t i = 0; i < n; ++i) {
    const PackedElement e = list.at(i);
    if (e.is_null && (!nulls || e.i != 0 || e.d != 0 || std::bit_cast<uint64_t>(e.f) != 0 || !e.text.empty())) return false;
    if (element == TypeKind::kBool && (e.i < 0 || e.i > 1)) return false;
    if (element == TypeKind::kString && first_not_utf8(e.text)) return false;
  }
  return true;
}

}  // namespace

PackedList::PackedList(TypeKind element, std::string_view bytes) : element_(element) {
  bytes_ = measure(element, bytes);
  CHECK(bytes_ != 0);
  size_ = load<uint32_t>(bytes.data());
  valid_ = reinterpret_cast<const uint8_t*>(bytes.data()) + 4;
  values_ = bytes.data() + 4 + (size_ + 7) / 8;
}

PackedElement PackedList::at(size_t i) const {
  PackedElement e;
  e.is_null = is_null(i);
  const char* at = values_ + i * element_bytes(element_);
  switch (element_) {
    case TypeKind::kBool: e.i = static_cast<uint8_t>(*at); break;
    case TypeKind::kFloat64: e.f = load<double>(at); break;
    case TypeKind::kDecimal: e.d = load<int128>(at); break;
    case TypeKind::kString: {
      const uint32_t from = i == 0 ? 0 : load<uint32_t>(at - 4);
      e.text = {values_ + 4 * size_ + from, load<uint32_t>(at) - from};
      break;
    }
    default: e.i = load<int64_t>(at);
  }
  return e;
}

void PackedListWriter::add(const PackedElement& value) {
  if (count_ % 8 == 0) valid_.push_back(0);
  if (!value.is_null) valid_.back() = static_cast<char>(valid_.back() | 1 << count_ % 8);
  ++count_;
  switch (element_) {
    case TypeKind::kBool: values_.push_back(static_cast<char>(value.i)); break;
    case TypeKind::kFloat64: append(values_, value.f); break;
    case TypeKind::kDecimal: append(values_, value.d); break;
    case TypeKind::kString:
      texts_.append(value.text);
      append(values_, static_cast<uint32_t>(texts_.size()));
      break;
    default: append(values_, value.i);
  }
}

void PackedListWriter::write(std::string& out) const {
  append(out, static_cast<uint32_t>(count_));
  out.append(valid_).append(values_).append(texts_);
}

bool valid_packed(const Type& type, std::string_view bytes) {
  size_t size = 0;
  switch (type.kind) {
    case TypeKind::kVector: return bytes.size() == size_t{8} * type.size;
    case TypeKind::kList: return valid_list(type.element, bytes, true, size) && size == bytes.size();
    case TypeKind::kMap: {
      if (!valid_list(TypeKind::kString, bytes, false, size)) return false;
      const PackedList names(TypeKind::kString, bytes);
      for (size_t i = 1; i < names.size(); ++i)
        if (names.at(i - 1).text >= names.at(i).text) return false;
      const std::string_view rest = bytes.substr(size);
      return valid_list(type.element, rest, true, size) && size == rest.size() && PackedList(type.element, rest).size() == names.size();
    }
    default: return false;
  }
}

}  // namespace ms
