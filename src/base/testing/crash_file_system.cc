#include "base/testing/crash_file_system.h"

#include <algorithm>
#include <set>

namespace ms::testing {

namespace {
constexpr uint64_t kSector = 512;

std::string parent_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }
}  // namespace

struct CrashFileSystem::Node {
  bool directory = false;
  std::string bytes, durable;
  std::set<uint64_t> dirty;  // sectors that differ since the last sync

  void touch(uint64_t from, uint64_t to) {
    for (uint64_t s = from / kSector; s * kSector < to; ++s) dirty.insert(s);
  }
  void sync_sector(uint64_t sector) {
    const uint64_t from = sector * kSector;
    if (from >= bytes.size()) return;
    const uint64_t count = std::min<uint64_t>(kSector, bytes.size() - from);
    if (durable.size() < from + count) durable.resize(from + count, '\0');
    durable.replace(from, count, bytes, from, count);
  }
  void sync() {
    for (const uint64_t sector : dirty) sync_sector(sector);
    durable.resize(bytes.size(), '\0');
    dirty.clear();
  }
  // At a power loss every unsynced sector survives or not by itself; the size likewise.
  void crash(Rng& rng) {
    const bool whole_file_lost = rng.below(4) == 0;
    if (!whole_file_lost && rng.below(2) == 0) durable.resize(bytes.size(), '\0');
    for (const uint64_t sector : dirty)
      if (!whole_file_lost && rng.below(2) == 0) sync_sector(sector);
    bytes = durable;
    dirty.clear();
  }
};

class CrashFile final : public File {
 public:
  CrashFile(CrashFileSystem& fs, CrashFileSystem::NodePtr node, uint64_t life) : fs_(fs), node_(std::move(node)), life_(life) {}

  Result<> write_at(uint64_t at, std::span<const std::span<const uint8_t>> parts) override {
    const std::scoped_lock lock(fs_.mutex_);
    TRY(fs_.alive(life_));
    uint64_t total = 0;
    for (const auto& part : parts) total += part.size();
    TRY(grow(at + total));
    // The power may go in the middle of a write: what was put down by then is unsynced like the rest.
    const auto step = fs_.step();
    uint64_t left = step ? total : fs_.rng_.below(total + 1);
    for (const auto& part : parts) {
      const uint64_t count = std::min<uint64_t>(left, part.size());
      std::copy_n(part.begin(), count, node_->bytes.begin() + static_cast<ptrdiff_t>(at));
      if (count > 0) node_->touch(at, at + count);
      at += count;
      left -= count;
    }
    return step;
  }
  Result<size_t> read_at(uint64_t at, std::span<uint8_t> out) const override {
    const std::scoped_lock lock(fs_.mutex_);
    TRY(fs_.alive(life_));
    if (at >= node_->bytes.size()) return 0;
    const size_t count = std::min<size_t>(out.size(), node_->bytes.size() - at);
    std::copy_n(node_->bytes.begin() + static_cast<ptrdiff_t>(at), count, out.begin());
    return count;
  }
  Result<> allocate(uint64_t size) override {
    const std::scoped_lock lock(fs_.mutex_);
    TRY(fs_.alive(life_));
    TRY(fs_.step());
    return grow(size);
  }
  Result<> truncate(uint64_t size) override {
    const std::scoped_lock lock(fs_.mutex_);
    TRY(fs_.alive(life_));
    TRY(fs_.step());
    node_->touch(std::min<uint64_t>(size, node_->bytes.size()), node_->bytes.size());
    node_->bytes.resize(size, '\0');
    return {};
  }
  Result<> sync_data() override {
    const std::scoped_lock lock(fs_.mutex_);
    TRY(fs_.alive(life_));
    TRY(fs_.step());
    ++fs_.syncs_;
    if (fs_.fail_syncs_) return internal("planted sync error");
    if (!fs_.swallow_syncs_) node_->sync();
    return {};
  }
  Result<uint64_t> size() const override {
    const std::scoped_lock lock(fs_.mutex_);
    TRY(fs_.alive(life_));
    return node_->bytes.size();
  }

 private:
  Result<> grow(uint64_t size) {
    const uint64_t before = node_->bytes.size();
    if (size <= before) return {};
    if (fs_.used_locked() + (size - before) > fs_.capacity_) return fail(ErrorKind::kExhausted, "no space left on the planted disk");
    node_->bytes.resize(size, '\0');
    return {};
  }
  CrashFileSystem& fs_;
  CrashFileSystem::NodePtr node_;
  uint64_t life_;
};

CrashFileSystem::CrashFileSystem(uint64_t seed) : rng_(seed) {
  auto root = std::make_shared<Node>();
  root->directory = true;
  names_[""] = durable_names_[""] = root;
}
CrashFileSystem::~CrashFileSystem() = default;

void CrashFileSystem::lose_power_after(uint64_t operations) {
  const std::scoped_lock lock(mutex_);
  operations_left_ = operations;
}
bool CrashFileSystem::power_is_lost() const {
  const std::scoped_lock lock(mutex_);
  return lost_;
}

void CrashFileSystem::power_cycle() {
  const std::scoped_lock lock(mutex_);
  // Each unsynced name change happened or not; a later one may have happened without an earlier one.
  for (const NameChange& each : unsynced_names_)
    if (rng_.below(2) != 0) make_durable(each);
  unsynced_names_.clear();
  std::set<Node*> seen;
  for (auto* names : {&names_, &durable_names_})
    for (auto& [path, node] : *names)
      if (seen.insert(node.get()).second) node->crash(rng_);
  // A file whose directory is gone is gone too.
  std::erase_if(durable_names_, [&](const auto& item) { return !item.first.empty() && !durable_names_.contains(parent_of(item.first)); });
  names_ = durable_names_;
  lost_ = false;
  operations_left_ = std::numeric_limits<uint64_t>::max();
  ++life_;
}

void CrashFileSystem::set_capacity(uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  capacity_ = bytes;
}
uint64_t CrashFileSystem::used_locked() const {
  uint64_t used = 0;
  for (const auto& [path, node] : names_) used += node->bytes.size();
  return used;
}
uint64_t CrashFileSystem::used_bytes() const {
  const std::scoped_lock lock(mutex_);
  return used_locked();
}
void CrashFileSystem::fail_syncs(bool fail) {
  const std::scoped_lock lock(mutex_);
  fail_syncs_ = fail;
}
void CrashFileSystem::swallow_syncs(bool swallow) {
  const std::scoped_lock lock(mutex_);
  swallow_syncs_ = swallow;
}
uint64_t CrashFileSystem::syncs() const {
  const std::scoped_lock lock(mutex_);
  return syncs_;
}

Result<> CrashFileSystem::corrupt(const std::string& path, uint64_t at, uint8_t xor_with) {
  const std::scoped_lock lock(mutex_);
  const auto found = names_.find(path);
  if (found == names_.end() || at >= found->second->bytes.size()) return not_found(path);
  for (std::string* bytes : {&found->second->bytes, &found->second->durable})
    if (at < bytes->size()) (*bytes)[at] = static_cast<char>((*bytes)[at] ^ static_cast<char>(xor_with));
  return {};
}

Result<> CrashFileSystem::step() {
  if (operations_left_ == 0) lost_ = true;
  if (lost_) return internal("the power is gone");
  if (operations_left_ != std::numeric_limits<uint64_t>::max()) --operations_left_;
  return {};
}
Result<> CrashFileSystem::alive(uint64_t life) const {
  if (lost_ || life != life_) return internal("the power is gone");
  return {};
}
namespace {
template <class Names, class Change>
void apply_to(Names& names, const Change& change) {
  if (change.node) names[change.path] = change.node;
  else names.erase(change.path);
  if (!change.renamed_from.empty()) names.erase(change.renamed_from);
}
}  // namespace

void CrashFileSystem::change(NameChange change) {
  apply_to(names_, change);
  unsynced_names_.push_back(std::move(change));
}
void CrashFileSystem::make_durable(const NameChange& change) { apply_to(durable_names_, change); }

Result<std::unique_ptr<File>> CrashFileSystem::open(const std::string& path, Open mode) {
  const std::scoped_lock lock(mutex_);
  TRY(alive(life_));
  const auto found = names_.find(path);
  if (mode == Open::kRead || mode == Open::kReadWrite) {
    if (found == names_.end() || found->second->directory) return not_found("open " + path + ": no such file");
    return std::make_unique<CrashFile>(*this, found->second, life_);
  }
  if (found != names_.end()) return fail(ErrorKind::kAlreadyExists, path);
  if (!names_.contains(parent_of(path))) return not_found("open " + path + ": no such directory");
  TRY(step());
  auto node = std::make_shared<Node>();
  change({path, node, {}});
  return std::make_unique<CrashFile>(*this, std::move(node), life_);
}

Result<> CrashFileSystem::rename(const std::string& from, const std::string& to) {
  const std::scoped_lock lock(mutex_);
  TRY(alive(life_));
  const auto found = names_.find(from);
  if (found == names_.end()) return not_found("rename " + from);
  TRY(step());
  change({to, found->second, from});
  return {};
}

Result<> CrashFileSystem::remove(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  TRY(alive(life_));
  if (!names_.contains(path)) return not_found("remove " + path);
  TRY(step());
  change({path, nullptr, {}});
  return {};
}

Result<> CrashFileSystem::create_directories(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  TRY(alive(life_));
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string each = path.substr(0, slash);
    if (!names_.contains(each)) {
      TRY(step());
      auto node = std::make_shared<Node>();
      node->directory = true;
      names_[each] = durable_names_[each] = std::move(node);  // the contract: parents are synced
    }
    if (slash == std::string::npos) return {};
  }
}

Result<std::vector<std::string>> CrashFileSystem::list(const std::string& directory) {
  const std::scoped_lock lock(mutex_);
  TRY(alive(life_));
  if (!names_.contains(directory)) return not_found("list " + directory);
  std::vector<std::string> out;
  for (const auto& [path, node] : names_)
    if (!path.empty() && parent_of(path) == directory) out.push_back(path.substr(directory.size() + 1));
  return out;
}

Result<bool> CrashFileSystem::exists(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  TRY(alive(life_));
  return names_.contains(path);
}

Result<> CrashFileSystem::sync_directory(const std::string& directory) {
  const std::scoped_lock lock(mutex_);
  TRY(alive(life_));
  TRY(step());
  ++syncs_;
  if (fail_syncs_) return internal("planted sync error");
  if (swallow_syncs_) return {};
  std::erase_if(unsynced_names_, [&](const NameChange& each) {
    if (parent_of(each.path) != directory) return false;
    make_durable(each);
    return true;
  });
  return {};
}

}  // namespace ms::testing
