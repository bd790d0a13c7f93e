#include "engine/instants.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace ms::engine {
namespace {

constexpr uint64_t kSlotBytes = 512;  // a slot of its own sector: a torn write cannot hurt the other one
constexpr size_t kEntryBytes = 12;

std::array<uint8_t, kEntryBytes> encode_entry(int64_t us) {
  std::array<uint8_t, kEntryBytes> out{};
  store_le(out.data(), us);
  store_le(out.data() + 8, crc32c(std::span(out).first(8)));
  return out;
}

}  // namespace

std::optional<Instant> InstantSource::read() {
  int64_t last = last_.load(std::memory_order_acquire);
  for (;;) {
    const int64_t wanted = std::max(clock_.wall_us(), last);
    if (wanted == last) return Instant{last};
    if (wanted > ceiling_.load(std::memory_order_acquire) - kPublishRoomUs) return std::nullopt;
    if (last_.compare_exchange_weak(last, wanted, std::memory_order_acq_rel)) return Instant{wanted};
  }
}

Instant InstantSource::publish() {
  int64_t last = last_.load(std::memory_order_acquire);
  for (;;) {
    const int64_t ceiling = ceiling_.load(std::memory_order_acquire);
    const int64_t wanted = std::max(std::min(clock_.wall_us(), ceiling - kPublishRoomUs), last + 1);
    CHECK(wanted <= ceiling);
    if (last_.compare_exchange_weak(last, wanted, std::memory_order_acq_rel)) return {wanted};
  }
}

bool InstantSource::has_room() const {
  return std::max(clock_.wall_us(), last_.load(std::memory_order_acquire)) <= ceiling_.load(std::memory_order_acquire) - kPublishRoomUs;
}

bool InstantSource::await_room(std::chrono::milliseconds at_most) {
  if (has_room()) return true;
  std::unique_lock lock(mutex_);
  (void)raised_.wait_for(lock, at_most, [&] { return stuck() || has_room(); });
  return has_room();
}

void InstantSource::raise_ceiling(Instant ceiling) {
  {
    const std::scoped_lock lock(mutex_);
    if (ceiling.us <= ceiling_.load()) return;
    ceiling_.store(ceiling.us, std::memory_order_release);
    stuck_.store(false, std::memory_order_release);
  }
  raised_.notify_all();
}

void InstantSource::stick() {
  {
    const std::scoped_lock lock(mutex_);
    stuck_.store(true, std::memory_order_release);
  }
  raised_.notify_all();
}

Result<CeilingFile> CeilingFile::open(FileSystem& fs, const std::string& path) {
  TRY_ASSIGN(const bool there, fs.exists(path));
  TRY_ASSIGN(auto file, fs.open(path, there ? FileSystem::Open::kReadWrite : FileSystem::Open::kCreateNew));
  if (!there) {
    TRY(file->allocate(2 * kSlotBytes));  // a disk that is full later has room for the ceiling
    TRY(fs.sync_directory(path.substr(0, path.find_last_of('/'))));
  }
  Instant best;
  uint32_t best_slot = 1;
  for (uint32_t slot = 0; slot < 2; ++slot) {
    std::array<uint8_t, kEntryBytes> entry{};
    TRY_ASSIGN(const size_t got, file->read_at(slot * kSlotBytes, entry));
    if (got < kEntryBytes) continue;
    const auto us = load_le<int64_t>(entry.data());
    if (entry == encode_entry(us) && us > best.us) best = {us}, best_slot = slot;
  }
  return CeilingFile(std::move(file), best, 1 - best_slot);
}

Result<> CeilingFile::store(Instant ceiling) {
  const auto entry = encode_entry(ceiling.us);
  const std::span<const uint8_t> part(entry);
  TRY(file_->write_at(next_slot_ * kSlotBytes, {&part, 1}));
  TRY(file_->sync_data());
  next_slot_ = 1 - next_slot_;
  stored_ = ceiling;
  return {};
}

}  // namespace ms::engine
