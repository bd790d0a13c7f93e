#include "kafka/fetch_sessions.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace ms::kafka {

namespace {

constexpr int32_t kFinalEpoch = -1;   // no session, and close the named one
constexpr int32_t kInitialEpoch = 0;  // make a session

using ItemKey = std::tuple<std::string_view, TopicId, int32_t>;
ItemKey key_of(const FetchItem& item) { return {item.topic, item.topic.empty() ? item.id : TopicId{}, item.partition}; }

// Every item has the name of its topic: what the items of a request would take, before any is made.
size_t bytes_asked(const FetchRequest& request) {
  size_t bytes = 0;
  for (const auto& topic : request.topics) bytes += topic.partitions.size() * (sizeof(FetchItem) + topic.topic.size());
  return bytes;
}

}  // namespace

size_t bytes_of(const std::vector<FetchItem>& items) {
  size_t bytes = 0;
  for (const FetchItem& item : items) bytes += sizeof item + item.topic.size();
  return bytes;
}

std::vector<FetchItem> items_of(const FetchRequest& request) {
  size_t count = 0;
  for (const auto& topic : request.topics) count += topic.partitions.size();
  std::vector<FetchItem> items;
  items.reserve(count);  // a session keeps them: no spare capacity
  std::map<ItemKey, size_t> places;
  for (const auto& topic : request.topics) {
    for (const auto& p : topic.partitions) {
      FetchItem item{.topic = topic.topic,
                     .id = topic.topic_id,
                     .partition = p.partition,
                     .offset = p.fetch_offset,
                     .max_bytes = p.partition_max_bytes,
                     .leader_epoch = p.current_leader_epoch};
      const auto [place, is_new] =
          places.try_emplace({topic.topic, topic.topic.empty() ? topic.topic_id : TopicId{}, p.partition}, items.size());
      if (is_new) items.push_back(std::move(item));
      else items[place->second] = std::move(item);
    }
  }
  if (items.size() < count) items.shrink_to_fit();
  return items;
}

void merge_into(std::vector<FetchItem>& items, const FetchRequest& request) {
  std::vector<FetchItem> changes = items_of(request);
  std::map<ItemKey, FetchItem*> known;
  for (FetchItem& item : items) known.emplace(key_of(item), &item);
  std::vector<FetchItem> added;
  for (FetchItem& change : changes) {
    const auto at = known.find(key_of(change));
    if (at == known.end()) {
      added.push_back(change);
      continue;
    }
    at->second->offset = change.offset;
    at->second->max_bytes = change.max_bytes;
    at->second->leader_epoch = change.leader_epoch;
  }
  std::set<ItemKey> forgotten;
  for (const auto& topic : request.forgotten_topics_data)
    for (const int32_t p : topic.partitions)
      forgotten.emplace(topic.topic, topic.topic.empty() ? topic.topic_id : TopicId{}, p);
  if (!forgotten.empty()) std::erase_if(items, [&](const FetchItem& item) { return forgotten.contains(key_of(item)); });
  std::ranges::move(added, std::back_inserter(items));
}

FetchContext FetchSessions::begin(const FetchRequest& request, int16_t version) {
  FetchContext context;
  const bool by_id = version >= 13;
  if (bytes_asked(request) > kFetchBytesMax) {
    context.error = ErrorCode::kInvalidRequest;
    return context;
  }
  const std::lock_guard lock(mutex_);
  if (version < 7 || request.session_epoch == kFinalEpoch || request.session_epoch == kInitialEpoch) {
    if (version >= 7 && request.session_id != 0) close(request.session_id);
    context.items = items_of(request);
    if (version >= 7 && request.session_epoch == kInitialEpoch) context.session = create(context, by_id);
    return context;
  }
  const auto at = sessions_.find(request.session_id);
  if (at == sessions_.end() || at->second->by_id != by_id) {
    context.error = at == sessions_.end() ? ErrorCode::kFetchSessionIdNotFound : ErrorCode::kFetchSessionTopicIdError;
    return context;
  }
  FetchSession& session = *at->second;
  if (session.in_use || request.session_epoch != session.next_epoch) {
    context.error = ErrorCode::kInvalidFetchSessionEpoch;
    return context;
  }
  if (!request.topics.empty() || !request.forgotten_topics_data.empty()) {
    merge_into(session.items, request);
    bytes_ -= session.bytes;
    session.bytes = bytes_of(session.items);
    bytes_ += session.bytes;
  }
  if (session.items.size() > kSessionPartitionsMax || session.bytes > kFetchBytesMax) {
    close(session.id);
    context.error = ErrorCode::kFetchSessionIdNotFound;
    return context;
  }
  session.next_epoch = session.next_epoch == INT32_MAX ? 1 : session.next_epoch + 1;
  session.in_use = true;
  by_use_.splice(by_use_.end(), by_use_, session.place);
  make_room(session);
  context.session = at->second;
  context.incremental = true;
  return context;
}

void FetchSessions::end(const std::shared_ptr<FetchSession>& session) {
  const std::lock_guard lock(mutex_);
  session->in_use = false;
}

size_t FetchSessions::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

size_t FetchSessions::size() const {
  const std::lock_guard lock(mutex_);
  return sessions_.size();
}

std::shared_ptr<FetchSession> FetchSessions::create(FetchContext& context, bool by_id) {
  if (context.items.empty() || context.items.size() > kSessionPartitionsMax) return nullptr;
  while (sessions_.size() >= sessions_max_) close(by_use_.front());
  auto session = std::make_shared<FetchSession>();
  do session->id = static_cast<int32_t>(1 + rng_.below(INT32_MAX - 1));
  while (sessions_.contains(session->id));
  session->by_id = by_id;
  session->in_use = true;
  session->items = std::move(context.items);
  session->bytes = bytes_of(session->items);
  bytes_ += session->bytes;
  session->place = by_use_.insert(by_use_.end(), session->id);
  sessions_.emplace(session->id, session);
  make_room(*session);
  return session;
}

void FetchSessions::make_room(const FetchSession& for_this) {
  while (bytes_ > kSessionsBytesMax && by_use_.front() != for_this.id) close(by_use_.front());
}

// A request that still uses the session keeps it until it is done.
void FetchSessions::close(int32_t id) {
  const auto at = sessions_.find(id);
  if (at == sessions_.end()) return;
  bytes_ -= at->second->bytes;
  by_use_.erase(at->second->place);
  sessions_.erase(at);
}

}  // namespace ms::kafka
