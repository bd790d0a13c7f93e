// Answers derived again from history: for every question (key, time) of one view, what evaluate() says over the records
// that the question may see. Training sets and verification both come through here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "codec/column_batch.h"
#include "engine/timeline.h"
#include "feature/value.h"
#include "feature/view_program.h"
#include "feature/view_state.h"
#include "history/events.h"
#include "history/partition.h"

namespace ms::history {

class BigBuffer;

using QuestionKey = feature::HashedKey;  // the bytes are owned by whoever made the questions
// Question i: keys[key_of[i]] at times_us[i].
struct Questions {
  std::vector<QuestionKey> keys;
  std::vector<uint32_t> key_of;
  const int64_t* times_us = nullptr;
  size_t rows = 0;
};

// The chosen features' answers to one block of questions, kept by group in the order of the questions, and read back
// chunk by chunk. A chunk is of kChunkRows questions.
class Answers {
 public:
  static constexpr uint8_t kNull = feature::AnswerColumn::kNull;
  static constexpr uint8_t kGap = 0x40;   // not known: the question's instant lies in a gap, or kLost
  static constexpr uint8_t kLost = 0x20;  // beside kGap: the feature's window may reach below what the log still has
  static constexpr uint8_t kNotMature = 0x10;  // a label whose window ends after what is known
  static constexpr uint8_t kStatus = feature::AnswerColumn::kStatus;

  // Of kChunkRows questions from chunk * kChunkRows on, feature number `feature` of the chosen: the value's 64 bits
  // (0 when null; texts apart), and the flags above with the status in the low bits.
  void values(size_t chunk, size_t feature, uint64_t* bits, uint8_t* flags) const;
  void values(size_t chunk, size_t feature, uint64_t* bits) const;
  bool has_nulls(size_t feature) const;  // in the block that was answered last
  void texts(size_t chunk, size_t feature, std::string_view* texts, uint8_t* flags) const;
  void event_times(size_t chunk, size_t feature, int64_t* us) const;  // only when asked for; kNoEventTime: none
  void found(size_t chunk, uint8_t* found) const;
  uint64_t gaps() const;  // questions with a kGap
  uint64_t events() const;  // rows applied
  uint64_t not_mature() const;          // questions beyond DeriveRequest::known_until_us
  std::vector<uint32_t> unmet() const;  // numbers of questions whose own row (DeriveRequest::own) the state did not hold

 private:
  friend class Derivation;
  struct Group;
  std::shared_ptr<BigBuffer> memory_;  // of the groups' arrays
  std::vector<std::shared_ptr<Group>> groups_;
  std::vector<Grouping> chunks_;           // questions by group, one per chunk
  std::vector<std::vector<uint64_t>> base_;  // base_[group][chunk]: slot of the chunk's first question, in its block
  const Group& group(size_t g) const { return *groups_[g]; }
};

struct DeriveRequest {
  std::shared_ptr<const feature::ViewProgram> program;
  std::vector<uint32_t> features;  // which of the view's features, in the order wanted
  bool after_event = false;
  // exclude_self: by question, the row that does not count; others with et = t do. Null: none.
  const std::vector<feature::RowPosition>* own = nullptr;
  int64_t known_until_us = INT64_MAX;  // later questions have no answer: kNotMature
  bool event_times = false;
  LostEvents lost;  // of the events: answers that may need one are marked, not guessed
  // Set for as_served; null: as_known, every event given counts.
  const engine::TimelineReader* timeline = nullptr;
  uint32_t groups = 1;  // of the events' groupings; a power of two, at least the number of shards
  unsigned threads = 1;
  std::stop_token stop;
  std::function<void(uint64_t)> report;  // so many more questions are answered; called by any thread
};

// Answers block by block, so that what is written already needs no memory: questions that lie in time order allow any
// block, others are answered all at once. `events` and `questions` must outlive it.
class Derivation {
 public:
  // `block_chunks`: how many chunks one answer_block() may answer at most (when there is time order).
  static Result<std::unique_ptr<Derivation>> make(DeriveRequest request, const ViewEvents& events, const Questions& questions, size_t block_chunks);
  ~Derivation();

  // Answers the chunks below `chunk_end`; those of earlier calls can no longer be read. At most block_chunks at a time.
  Result<> answer_until(size_t chunk_end);
  const Answers& answers() const { return answers_; }
  Answers take() { return std::move(answers_); }

 private:
  struct Lane;  // one group: its questions, its state, how far it is
  Derivation(DeriveRequest request, const ViewEvents& events, const Questions& questions);
  Result<> prepare(size_t block_chunks);
  void make_groups();
  bool in_time_order() const;
  void gather_questions(uint32_t g, size_t chunk_end);
  Result<> answer(uint32_t g, size_t chunk_end);
  void answer_without(Lane& lane, size_t slot, Answers::Group& out, const feature::AnswerColumns& columns) const;
  Result<> answer_as_known(Lane& lane, Answers::Group& out);
  Result<> answer_as_served(uint32_t g, Lane& lane, Answers::Group& out);
  void mark_not_mature(const Lane& lane, Answers::Group& out) const;
  void mark_lost(const Lane& lane, Answers::Group& out) const;
  Result<> tick(size_t i) const;

  const DeriveRequest request_;
  const ViewEvents& events_;
  const Questions& questions_;
  size_t block_chunks_ = 0, answered_ = 0;  // chunks
  std::vector<std::unique_ptr<Lane>> lanes_;
  Answers answers_;
};

// All questions in one block.
Result<Answers> derive(const DeriveRequest& request, const ViewEvents& events, const Questions& questions);

}  // namespace ms::history
