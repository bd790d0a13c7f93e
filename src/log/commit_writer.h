// Group commit: one thread that seals what has arrived into one WAL frame, syncs once, makes it visible, answers.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "codec/record_batch.h"
#include "log/log.h"
#include "log/meta_state.h"
#include "log/view.h"
#include "log/wal.h"

namespace ms::log {

struct PendingBatch {
  TopicPartition to;
  Slice bytes;
  RecordBatchHeader header;
  std::shared_ptr<PartitionLog> log;  // null when it was refused already
  bool log_append_time = false;
  TransactionTerms transaction;
  BatchRole role;
  AppendOutcome outcome;
};

class CommitWriter {
 public:
  CommitWriter(const LogOptions& options, MetaState state, Wal& wal, View& view, AppendTime last_time);
  ~CommitWriter();

  using CommandDone = std::move_only_function<void(Result<uint64_t>)>;
  using Inspect = std::function<void(const MetaState&)>;

  void start();
  void close();  // commits what is pending, refuses what comes later, joins
  // `block_bytes`: of the block the batches lie in together (AppendPart).
  void append(std::vector<PendingBatch> batches, size_t block_bytes, AppendDone done);
  void submit(Command command, CommandDone done);
  void transact(TransactionStep step, TransactionDone done);
  Result<ProducerIdentity> run(TransactionStep step);  // the same, and waits
  Result<uint64_t> run(Command command);  // submits and waits; not from a callback
  // Runs between two groups on the writer thread, when everything applied is durable; waits for it.
  Result<> inspect(Inspect look);

  uint64_t add_listener(Log::VisibleListener listener);
  void remove_listener(uint64_t id);
  // Called on the writer thread when this many bytes have been appended since the last call of reset.
  void on_backlog(int64_t bytes, std::function<void()> call);
  void reset_backlog() { backlog_.store(0, std::memory_order_relaxed); }

 private:
  struct Append {
    std::vector<PendingBatch> batches;
    AppendDone done;
    size_t bytes = 0;
    size_t block_bytes = 0;
  };
  struct Run {
    Command command;
    std::string encoded;
    CommandDone done;
    Result<uint64_t> outcome = 0;
  };
  struct Transact {
    TransactionStep step;
    std::string encoded;
    TransactionDone done;
    Result<TransactionOutcome> outcome = {};
    std::vector<PendingBatch> markers;
  };
  struct Look {
    Inspect look;
    std::move_only_function<void(Result<>)> done;
  };
  using Request = std::variant<Append, Run, Transact, Look>;

  void enqueue(Request request, size_t bytes);
  void refuse(Request& request, AppendError error, const Error& why);
  void loop();
  bool take();  // moves what has arrived into arrived_; false when closing and empty
  void commit_group();
  // The most a request can put into a frame, in bytes, and whether that can be record batches.
  struct Need {
    size_t bytes = 0;
    bool batches = false;
  };
  Need need_of(const Request& request) const;
  struct Group {
    size_t count = 0;
    Need need;  // of all its requests together
  };
  Group choose_group() const;
  void refuse_group(size_t count, const Error& why);
  Result<WalPosition> write_group(size_t count);
  void decide(Append& append);
  void leave_block(size_t block_bytes, size_t first);
  void decide(Run& run);
  void decide(Transact& transact);
  void write_marker(PendingBatch& marker);
  void put(PendingBatch& batch, AppendBatch& command, Offset base);
  void make_visible(size_t count, WalPosition frame);
  void answer(size_t count);
  void fail_with(const Error& error);
  void remember_for_eviction(WalPosition end, size_t bytes);

  const LogOptions& options_;
  MetaState state_;
  Wal& wal_;
  View& view_;

  std::mutex mutex_;
  std::condition_variable arrived_signal_;
  std::deque<Request> queue_;
  size_t pending_bytes_ = 0;
  bool closing_ = false, failed_ = false, started_ = false;

  // The writer thread's own.
  std::deque<Request> arrived_;
  AppendTime time_;
  ByteWriter entries_;
  std::vector<std::span<const uint8_t>> data_;
  std::vector<PendingBatch*> accepted_;
  std::vector<TopicPartition> touched_;
  uint64_t data_bytes_ = 0;
  bool cannot_grow_ = false;

  // Groups whose batches are in memory, oldest first.
  struct CachedGroup {
    WalPosition end;
    size_t bytes = 0;
    std::vector<std::shared_ptr<PartitionLog>> partitions;
  };
  std::deque<CachedGroup> cached_;
  size_t cached_bytes_ = 0;
  std::vector<std::vector<std::shared_ptr<PartitionLog>>> free_lists_;

  std::mutex listeners_mutex_;
  std::map<uint64_t, Log::VisibleListener> listeners_;
  uint64_t next_listener_ = 1;
  std::atomic<int64_t> backlog_{0};
  int64_t backlog_max_ = 0;
  std::function<void()> on_backlog_;

  std::thread thread_;
};

}  // namespace ms::log
