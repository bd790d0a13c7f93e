// Incremental fetch sessions (KIP-227): the partitions a consumer fetches again and again, and what it was last told.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/rng.h"
#include "base/types.h"
#include "kafka/error_code.h"
#include "kafka/messages/fetch.h"

namespace ms::kafka {

inline constexpr size_t kSessionPartitionsMax = 100'000;
inline constexpr size_t kFetchBytesMax = 32u << 20;      // the items of one fetch
inline constexpr size_t kSessionsBytesMax = 128u << 20;  // the items of all sessions

// One partition of a fetch, in request order.
struct FetchItem {
  std::string topic;  // empty when asked by id
  TopicId id;         // nil when the name is unknown
  int32_t partition = 0;
  int64_t offset = 0;
  int32_t max_bytes = 0;
  int32_t leader_epoch = -1;
  // What the last answer of the session said; none yet: -1.
  int64_t told_high_watermark = -1;
  int64_t told_log_start = -1;
  bool told_error = false;
};

struct FetchSession {
  int32_t id = 0;
  size_t bytes = 0;  // what the items take
  int32_t next_epoch = 1;
  bool by_id = false;  // asked in versions 13+
  bool in_use = false;
  std::vector<FetchItem> items;
  std::list<int32_t>::iterator place;
};

// What a request means.
struct FetchContext {
  ErrorCode error = ErrorCode::kNone;
  std::shared_ptr<FetchSession> session;  // none: a fetch by itself
  bool incremental = false;               // answer only what changed
  std::vector<FetchItem> items;           // of a fetch by itself; a session has its own
  std::vector<FetchItem>& list() { return session ? session->items : items; }
};

// Thread-safe; at most `sessions_max` and kSessionsBytesMax, the longest unused one goes first. A session that begin() returned is used by that
// request alone until end().
class FetchSessions {
 public:
  explicit FetchSessions(size_t sessions_max) : sessions_max_(sessions_max), rng_(random_seed()) {}
  FetchContext begin(const FetchRequest& request, int16_t version);
  void end(const std::shared_ptr<FetchSession>& session);
  size_t size() const;
  size_t bytes() const;

 private:
  std::shared_ptr<FetchSession> create(FetchContext& context, bool by_id);
  void close(int32_t id);
  void make_room(const FetchSession& for_this);

  const size_t sessions_max_;
  mutable std::mutex mutex_;
  Rng rng_;
  size_t bytes_ = 0;           // of all sessions' items
  std::list<int32_t> by_use_;  // the longest unused first
  std::unordered_map<int32_t, std::shared_ptr<FetchSession>> sessions_;
};

// The items of a request, and what an incremental request changes in a session's. Of a partition that is named twice the last counts, in
// the place of the first (as with Kafka).
size_t bytes_of(const std::vector<FetchItem>& items);
std::vector<FetchItem> items_of(const FetchRequest& request);
void merge_into(std::vector<FetchItem>& items, const FetchRequest& request);

}  // namespace ms::kafka
