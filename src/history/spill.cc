#include "history/spill.h"

#include <cstring>
#include <span>

#include "base/check.h"

namespace ms::history {
namespace {

// The bytes never leave the process: its own byte order, nothing to check.
class Packer {
 public:
  template <class T>
  void put(const std::vector<T>& values, size_t from, size_t count) {
    if (values.empty()) return;
    append(values.data() + from, count * sizeof(T));
  }
  void put(const std::vector<std::string_view>& texts, size_t from, size_t count) {
    if (texts.empty()) return;
    for (size_t i = from; i < from + count; ++i) {
      const size_t size = texts[i].size();
      append(&size, sizeof size);
      append(texts[i].data(), size);
    }
  }
  void put(const Column& column, size_t from, size_t count) {
    for (size_t i = from; i < from + count; ++i) bytes_.push_back(column.valid(i) ? 1 : 0);
    put(column.bools, from, count), put(column.ints, from, count), put(column.floats, from, count), put(column.decimals, from, count),
        put(column.strings, from, count);
  }
  std::vector<uint8_t>& bytes() { return bytes_; }

 private:
  void append(const void* from, size_t size) {
    const auto* at = static_cast<const uint8_t*>(from);
    bytes_.insert(bytes_.end(), at, at + size);
  }
  std::vector<uint8_t> bytes_;
};

class Unpacker {
 public:
  Unpacker(std::span<const uint8_t> bytes, StringArena& arena) : at_(bytes.data()), end_(bytes.data() + bytes.size()), arena_(arena) {}

  template <class T>
  void take(std::vector<T>& values, size_t count) {
    values.resize(count);
    copy(values.data(), count * sizeof(T));
  }
  void take(std::vector<std::string_view>& texts, size_t count) {
    texts.resize(count);
    for (std::string_view& text : texts) {
      size_t size = 0;
      copy(&size, sizeof size);
      CHECK(size <= static_cast<size_t>(end_ - at_));
      text = arena_.add({reinterpret_cast<const char*>(at_), size});
      at_ += size;
    }
  }
  void take(Column& column, size_t count) {
    column.reset(column.type, count);
    std::vector<uint8_t> valid;
    take(valid, count);
    for (size_t i = 0; i < count; ++i)
      if (valid[i] != 0) column.set_valid(i);
    switch (column.type.kind) {
      case TypeKind::kBool:
        return take(column.bools, count);
      case TypeKind::kFloat64:
        return take(column.floats, count);
      case TypeKind::kDecimal:
        return take(column.decimals, count);
      case TypeKind::kString:
      case TypeKind::kList:
      case TypeKind::kVector:
      case TypeKind::kMap:
        return take(column.strings, count);
      default:
        return take(column.ints, count);
    }
  }
  bool done() const { return at_ == end_; }

 private:
  void copy(void* to, size_t size) {
    CHECK(size <= static_cast<size_t>(end_ - at_));
    if (size > 0) std::memcpy(to, at_, size);
    at_ += size;
  }
  const uint8_t* at_;
  const uint8_t* end_;
  StringArena& arena_;
};

}  // namespace

uint64_t Spill::bytes_of(const feature::PreparedRows& rows) {
  uint64_t each = sizeof(std::string_view) + (rows.retracts.empty() ? 3 : 4) * sizeof(int64_t) + rows.filters.size(), texts = 0;
  for (const Column& column : rows.arguments) {
    each += is_bytes(column.type)               ? sizeof(std::string_view)
            : column.type == TypeKind::kDecimal ? sizeof(int128)
            : column.type == TypeKind::kBool    ? 1
                                                : sizeof(int64_t);
    for (const std::string_view text : column.strings) texts += text.size();
  }
  for (const std::string_view key : rows.keys) texts += key.size();
  return rows.rows * each + texts;
}

bool Spill::has_room_for(uint64_t bytes) {
  if (used_.fetch_add(bytes) + bytes <= memory_bytes_) return true;
  used_ -= bytes;
  return false;
}

Result<> Spill::open() {
  const std::scoped_lock lock(opening_);
  if (file_) return {};
  TRY_ASSIGN(const bool left_over, fs_.exists(path_));
  if (left_over) TRY(fs_.remove(path_));
  TRY_ASSIGN(file_, fs_.open(path_, FileSystem::Open::kCreateNew));
  return fs_.remove(path_);
}

Result<std::vector<uint64_t>> Spill::write(const feature::PreparedRows& rows, const std::vector<uint32_t>& begin) {
  TRY(open());
  Packer packer;
  std::vector<uint64_t> places;
  for (size_t g = 0; g + 1 < begin.size(); ++g) {
    places.push_back(packer.bytes().size());
    const size_t from = begin[g], count = begin[g + 1] - from;
    if (count == 0) continue;
    packer.put(rows.table_hashes, from, count), packer.put(rows.event_times_us, from, count), packer.put(rows.offsets, from, count);
    packer.put(rows.retracts, from, count);
    packer.put(rows.keys, from, count);
    for (const Column& column : rows.arguments) packer.put(column, from, count);
    for (const auto& filter : rows.filters) packer.put(filter, from, count);
  }
  places.push_back(packer.bytes().size());
  const uint64_t at = end_.fetch_add(packer.bytes().size());
  const std::span<const uint8_t> part(packer.bytes());
  if (auto written = file_->write_at(at, {&part, 1}); !written)
    return fail(written.error().kind,
                written.error().message + " (events that the memory had no room for; give more memory or another directory to the output)");
  for (uint64_t& place : places) place += at;
  return places;
}

Result<> Spill::read(uint64_t from, uint64_t until, size_t count, bool retracts, feature::PreparedRows& out) const {
  std::vector<uint8_t> bytes(until - from);
  TRY_ASSIGN(const size_t read, file_->read_at(from, bytes));
  if (read != bytes.size()) return fail(ErrorKind::kInternal, path_ + ": what was written there has become shorter");
  Unpacker unpacker(bytes, out.arena);
  out.rows = count;
  unpacker.take(out.table_hashes, count), unpacker.take(out.event_times_us, count), unpacker.take(out.offsets, count);
  if (retracts) unpacker.take(out.retracts, count);
  unpacker.take(out.keys, count);
  for (Column& column : out.arguments) unpacker.take(column, count);
  for (auto& filter : out.filters) unpacker.take(filter, count);
  CHECK(unpacker.done());
  return {};
}

}  // namespace ms::history
