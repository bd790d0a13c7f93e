// Fetch (1), versions 4-18.
//
// - Answers when min_bytes are there, something is wrong, or max_wait_ms is over. Waiting fetches are woken by the log.
// - The first partition with records gives at least one whole batch whatever the limits say; the others keep to max_bytes
//   and their own limit. A batch is never cut, and the one that holds the offset is sent from its beginning.
// - Sessions (KIP-227): partitions that gave records go to the end of the session's order, so that none starves.
// - read_committed ends at the last stable offset and lists the aborted transactions among what it gives; markers are sent, too.
// - Clients that ask and do not read make the server hold batches: all of them together are bounded (Broker::responses);
//   beyond that a fetch gets one batch. A fetch that waits for min_bytes holds none.
// - A fetch of thousands of partitions outside a session is answered at once: who waits keeps its list in memory. One whose client
//   has gone ends.
// - A consumer over its quota gets its records and is then not read for a while. (Kafka answers without records first.)
// - Deviation: max_bytes is at most 64 MiB, max_wait_ms at most 60 s.
#include <algorithm>

#include "codec/record_batch.h"
#include "kafka/handlers.h"
#include "kafka/messages/fetch.h"

namespace ms::kafka {

namespace {

constexpr int64_t kMaxBytesMax = 64 << 20;
constexpr int32_t kMaxWaitMsMax = 60'000;
constexpr size_t kWaitingBytesMax = 1u << 20;

struct Found {
  ErrorCode error = ErrorCode::kNone;
  int64_t high_watermark = -1, last_stable = -1, log_start = -1;
  Records records;
  std::vector<log::AbortedTransaction> aborted;
  int64_t count = 0;  // of the records
};

// The same bytes; the hold ends with the last slice of them.
Slice held(Slice bytes, io::MemoryHold hold) {
  struct Held {
    std::shared_ptr<const void> owner;
    io::MemoryHold hold;
  };
  const uint8_t* data = bytes.data();
  const size_t size = bytes.size();
  return Slice(std::make_shared<const Held>(bytes.owner(), std::move(hold)), data, size);
}

// One fetch from its request to its answer; lives on its connection's thread.
class Fetch : public std::enable_shared_from_this<Fetch> {
 public:
  Fetch(Broker& broker, Call call, const FetchRequest& request, FetchContext context)
      : broker_(broker), call_(std::move(call)), context_(std::move(context)), timer_(call_.thread()),
        by_id_(call_.version() >= 13), read_committed_(request.isolation_level == 1),
        min_bytes_(std::clamp<int64_t>(request.min_bytes, 0, bytes_max(broker, call_))),
        max_bytes_(std::clamp<int64_t>(request.max_bytes, 0, bytes_max(broker, call_))) {
    resolve();
    const size_t kept = context_.incremental ? 0 : bytes_of(context_.list());  // sessions count their own
    call_.keeps(kept);
    may_wait_ = kept <= kWaitingBytesMax;
  }
  ~Fetch() {
    if (context_.session) broker_.sessions.end(context_.session);
  }

  void run(int32_t max_wait_ms) {
    if (attempt() || max_wait_ms <= 0 || !may_wait_) return answer();
    found_.clear();
    for (const FetchItem& item : context_.list())
      if (!item.id.uuid.is_nil()) watched_.push_back({item.id, {item.partition}});
    waiter_ = std::make_shared<FetchWaiters::Waiter>(call_.thread(), [weak = weak_from_this()] {
      if (auto self = weak.lock()) self->woken();
    });
    broker_.waiters.add(waiter_, watched_);
    call_.on_closed([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->answer();
    });
    // The timer owns the fetch while it waits.
    timer_.start(std::min(max_wait_ms, kMaxWaitMsMax) * kMicrosPerMilli, [self = shared_from_this()] {
      self->call_.enter(Stage::kWork);
      self->attempt();
      self->answer();
    });
    call_.enter(Stage::kWait);
    woken();
  }

 private:
  // What the client's quota lets through at most, in one answer too.
  static int64_t bytes_max(const Broker& broker, const Call& call) {
    if (!broker.quotas.any()) return kMaxBytesMax;
    const double window = broker.quotas.window_max(quota::kConsumerByteRate, call.session().user(), call.header().client_id);
    return window < kMaxBytesMax ? static_cast<int64_t>(window) : kMaxBytesMax;
  }

  void resolve() {
    for (FetchItem& item : context_.list()) {
      if (by_id_) continue;
      const auto topic = broker_.log.find_topic(item.topic);
      item.id = topic ? topic->id : TopicId{};
    }
  }

  void woken() {
    if (answered_) return;
    call_.enter(Stage::kWork);
    waiter_->arm();
    if (attempt() || broker_.waiters.closed()) return answer();
    found_.clear();
    call_.enter(Stage::kWait);
  }

  // Looks at every partition. True: the answer can go.
  bool attempt() {
    found_.clear();
    bytes_ = 0;
    bool error = false;
    for (const FetchItem& item : context_.list()) {
      found_.push_back(look(item));
      error |= found_.back().error != ErrorCode::kNone;
    }
    return error || bytes_ >= min_bytes_ || context_.list().empty();
  }

  ErrorCode refuse(const FetchItem& item) {
    if (!call_.session().guarded()) return ErrorCode::kNone;
    const auto topic = item.topic.empty() ? broker_.log.find_topic(item.id) : std::nullopt;
    const std::string& name = topic ? topic->name : item.topic;
    const bool may = name.empty() || call_.may(Operation::kRead, topic_resource(name));  // an id that is nobody's has its own error
    return may ? ErrorCode::kNone : denied_topic(call_, name, by_id_);
  }

  Found look(const FetchItem& item) {
    Found found;
    if (const ErrorCode refused = refuse(item); refused != ErrorCode::kNone) return {.error = refused, .records = {}, .aborted = {}};
    const int64_t limit = std::min<int64_t>(std::max(item.max_bytes, 0), max_bytes_ - bytes_);
    auto read = broker_.log.read({item.id, {item.partition}}, {item.offset}, static_cast<size_t>(std::max<int64_t>(limit, 1)));
    if (!read && read.error().kind == ErrorKind::kNotFound) return {.error = to_code(item, read.error()), .records = {}, .aborted = {}};
    if (item.leader_epoch > kLeaderEpoch) return {.error = ErrorCode::kUnknownLeaderEpoch, .records = {}, .aborted = {}};
    if (!read) return {.error = to_code(item, read.error()), .records = {}, .aborted = {}};
    found.high_watermark = read->high_watermark.value;
    found.last_stable = read->last_stable.value;
    found.log_start = read->log_start.value;
    int64_t left = limit;
    if (read_committed_) found.aborted = std::move(read->aborted);
    for (log::ReadBatch& batch : read->batches) {
      if (read_committed_ && batch.base >= read->last_stable) break;
      const auto size = static_cast<int64_t>(batch.bytes.size());
      if (size > left && bytes_ > 0) break;
      auto hold = broker_.responses->try_hold(batch.bytes.size());
      if (!hold && bytes_ > 0) break;
      left -= size;
      bytes_ += size;
      const auto header = parse_record_batch(batch.bytes.span());
      found.count += header ? header->records : 0;
      found.records.parts.push_back(hold ? held(std::move(batch.bytes), std::move(*hold)) : std::move(batch.bytes));
    }
    return found;
  }

  ErrorCode to_code(const FetchItem& item, const Error& error) const {
    if (error.kind == ErrorKind::kInvalidArgument && error.message.starts_with("OFFSET_OUT_OF_RANGE")) return ErrorCode::kOffsetOutOfRange;
    if (error.kind == ErrorKind::kNotFound) {
      const bool no_topic = by_id_ && !broker_.log.find_topic(item.id);
      return no_topic ? ErrorCode::kUnknownTopicId : ErrorCode::kUnknownTopicOrPartition;
    }
    if (error.kind == ErrorKind::kCorruption) return ErrorCode::kCorruptMessage;
    return ErrorCode::kKafkaStorageError;
  }

  void answer() {
    if (std::exchange(answered_, true)) return;
    const auto self = shared_from_this();  // the timer may hold the last reference
    timer_.cancel();
    if (waiter_) broker_.waiters.remove(waiter_, watched_);
    if (found_.size() != context_.list().size()) attempt();
    FetchResponse response;
    response.session_id = context_.session ? context_.session->id : 0;
    std::vector<FetchItem>& items = context_.list();
    std::vector<bool> gave(items.size());
    for (size_t i = 0; i < items.size(); ++i) {
      gave[i] = !found_[i].records.parts.empty();
      if (gave[i]) count(items[i].id, found_[i]);
      if (!context_.incremental || is_news(items[i], found_[i])) add(response, items[i], std::move(found_[i]));
    }
    if (context_.session) {
      rotate(items, gave);
      broker_.sessions.end(std::exchange(context_.session, nullptr));
    }
    call_.charge(quota::kConsumerByteRate, static_cast<double>(bytes_));
    call_.reply(response);
  }

  void count(TopicId topic, const Found& found) {
    const TopicCounters& traffic = broker_.traffic.of(topic);
    traffic.out_bytes.add(static_cast<int64_t>(found.records.bytes()));
    traffic.out_records.add(found.count);
  }

  // Who gave something goes to the end.
  static void rotate(std::vector<FetchItem>& items, const std::vector<bool>& gave) {
    if (std::ranges::find(gave, true) == gave.end()) return;
    std::vector<FetchItem> order;
    order.reserve(items.size());
    for (const bool turn : {false, true})
      for (size_t i = 0; i < items.size(); ++i)
        if (gave[i] == turn) order.push_back(std::move(items[i]));
    items = std::move(order);
  }

  static bool is_news(const FetchItem& item, const Found& found) {
    return found.error != ErrorCode::kNone || item.told_error || !found.records.parts.empty() ||
           found.high_watermark != item.told_high_watermark || found.log_start != item.told_log_start;
  }

  void add(FetchResponse& response, FetchItem& item, Found found) {
    item.told_error = found.error != ErrorCode::kNone;
    item.told_high_watermark = found.high_watermark;
    item.told_log_start = found.log_start;
    auto& topics = response.responses;
    if (topics.empty() || topics.back().topic != item.topic || (by_id_ && topics.back().topic_id != item.id)) {
      topics.emplace_back();
      topics.back().topic = item.topic;
      if (by_id_) topics.back().topic_id = item.id;
    }
    auto& partition = topics.back().partitions.emplace_back();
    partition.partition_index = item.partition;
    partition.error_code = code(found.error);
    partition.high_watermark = found.high_watermark;
    partition.last_stable_offset = found.last_stable;
    partition.log_start_offset = found.log_start;
    if (read_committed_) {
      auto& aborted = partition.aborted_transactions.emplace();
      if (!found.records.parts.empty())
        for (const log::AbortedTransaction& a : found.aborted) aborted.push_back({.producer_id = a.producer_id, .first_offset = a.first.value});
    }
    partition.records = std::move(found.records);
  }

  Broker& broker_;
  Call call_;
  FetchContext context_;
  io::Timer timer_;
  const bool by_id_, read_committed_;
  const int64_t min_bytes_, max_bytes_;
  std::vector<Found> found_;  // parallel to the items
  int64_t bytes_ = 0;
  std::shared_ptr<FetchWaiters::Waiter> waiter_;
  std::vector<TopicPartition> watched_;
  bool may_wait_ = true;
  bool answered_ = false;
};

}  // namespace

void handle_fetch(Broker& broker, Call call) {
  FetchRequest request;
  if (!call.decode(request)) return;
  FetchContext context = broker.sessions.begin(request, call.version());
  if (context.error != ErrorCode::kNone) {
    FetchResponse response;
    response.error_code = code(context.error);
    return call.reply(response);
  }
  std::make_shared<Fetch>(broker, std::move(call), request, std::move(context))->run(request.max_wait_ms);
}

}  // namespace ms::kafka
