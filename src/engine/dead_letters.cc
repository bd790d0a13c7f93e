#include "engine/dead_letters.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <future>

#include "base/logging.h"
#include "base/sha256.h"
#include "codec/record_batch.h"

namespace ms::engine {
namespace {

constexpr size_t kReadBytes = 1 << 20;
// A batch of letters stays below the default of max.message.bytes, whatever the events were.
constexpr size_t kBatchBytesMax = 512u << 10;
constexpr size_t kPartBytesMax = 256u << 10;  // of a key or a value; the rest is cut off, and a header says so
constexpr size_t kHeadersBytes = 512;         // about

std::optional<int64_t> to_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The position that a letter of the topic names.
struct LetterPosition {
  std::string source;
  PartitionId partition;
  Offset offset;
  std::string reason;
};
std::optional<LetterPosition> position_of(const RecordView& record) {
  std::optional<int64_t> partition, offset;
  std::string source, reason;
  for (const HeaderView& header : record.headers()) {
    if (header.key == "source" && header.value) source = *header.value;
    if (header.key == "reason" && header.value) reason = *header.value;
    if (header.key == "partition" && header.value) partition = to_number(*header.value);
    if (header.key == "offset" && header.value) offset = to_number(*header.value);
  }
  if (!partition || !offset) return std::nullopt;
  return LetterPosition{std::move(source), PartitionId{static_cast<int32_t>(*partition)}, Offset{*offset}, std::move(reason)};
}

std::string reason_code(const std::string& reason) { return reason.substr(0, reason.find(':')); }

size_t letter_bytes(const DeadLetter& letter) {
  return std::min(letter.key.size(), kPartBytesMax) + std::min(letter.value.size(), kPartBytesMax) + kHeadersBytes;
}

// The letter as a record; the texts that it refers to go to `texts`.
RecordToWrite record_of(const DeadLetter& letter, std::deque<std::string>& texts) {
  RecordToWrite record{.timestamp_ms = letter.append_time.us / kMicrosPerMilli};
  if (!letter.key.empty()) record.key = letter.key.view().substr(0, kPartBytesMax);
  record.value = letter.value.view().substr(0, kPartBytesMax);
  record.headers = {{"reason", letter.reason},
                    {"source", letter.source},
                    {"partition", texts.emplace_back(std::to_string(letter.partition.value))},
                    {"offset", texts.emplace_back(std::to_string(letter.offset.value))}};
  if (letter.key.size() > kPartBytesMax) record.headers.push_back({"key_cut_from_bytes", texts.emplace_back(std::to_string(letter.key.size()))});
  if (letter.value.size() > kPartBytesMax) record.headers.push_back({"cut_from_bytes", texts.emplace_back(std::to_string(letter.value.size()))});
  return record;
}

}  // namespace

std::string dead_letter_topic(const std::string& topic) {
  constexpr size_t kNameMax = 249;  // of a topic
  constexpr size_t kHashDigits = 16;
  const std::string suffix = ".dead-letter";
  if (topic.size() + suffix.size() <= kNameMax) return topic + suffix;
  return topic.substr(0, kNameMax - suffix.size() - 1 - kHashDigits) + "-" + sha256_hex(topic).substr(0, kHashDigits) + suffix;
}

DeadLetterQueue::DeadLetterQueue(log::Log& log, const std::string& topic) : log_(log), topic_name_(dead_letter_topic(topic)) {}

Offset DeadLetterQueue::end() const {
  const int64_t from = incomplete_from_;
  return from < 0 ? topic_end() : Offset{from};
}

Offset DeadLetterQueue::topic_end() const {
  const auto topic = log_.find_topic(topic_name_);
  if (!topic) return {};
  const auto state = log_.partition_state({topic->id, PartitionId{0}});
  return state ? state->high_watermark : Offset{};
}

Result<> DeadLetterQueue::recover(Offset from) {
  const auto topic = log_.find_topic(topic_name_);
  if (!topic) return {};
  const TopicPartition partition{topic->id, PartitionId{0}};
  TRY_ASSIGN(const log::PartitionState state, log_.partition_state(partition));
  std::string scratch;
  for (Offset at = std::max(from, state.log_start); at < state.high_watermark;) {
    TRY_ASSIGN(const log::ReadResult read, log_.read(partition, at, kReadBytes));
    if (read.batches.empty()) break;
    for (const log::ReadBatch& batch : read.batches) {
      at = Offset{batch.last.value + 1};
      if (!batch.committed) continue;
      auto records = RecordReader::open(batch.bytes.span(), scratch);
      if (!records) {  // not ours: any client can write here
        log_warn("dead_letter_topic_unreadable", {{"topic", topic_name_}, {"offset", batch.base.value}, {"reason", records.error().message}});
        continue;
      }
      for (RecordView record; records->next(record) == RecordReader::Step::kRecord;)
        if (auto p = position_of(record)) remember(p->source, p->partition, p->offset, std::move(p->reason));
    }
  }
  return {};
}

bool DeadLetterQueue::is_new(const DeadLetter& letter) const {
  const auto written = written_.find({letter.source, letter.partition});
  if (written == written_.end() || letter.offset > written->second.last) return true;
  return letter.offset == written->second.last && !written->second.reasons.contains(letter.reason);
}

void DeadLetterQueue::remember(const std::string& source, PartitionId partition, Offset offset, std::string reason) {
  const auto [at, added] = written_.try_emplace({source, partition}, Letters{offset, {}});
  Letters& written = at->second;
  if (offset < written.last) return;
  if (offset > written.last) written = {offset, {}};
  written.reasons.insert(std::move(reason));
}

Result<log::TopicInfo> DeadLetterQueue::topic() {
  if (auto topic = log_.find_topic(topic_name_)) return *topic;
  auto made = log_.create_topic(topic_name_, 1, {});
  if (made) log_info("dead_letter_topic_created", {{"topic", topic_name_}});
  return made;
}

Result<> DeadLetterQueue::write(const std::vector<DeadLetter>& letters) {
  if (letters.empty()) return {};
  if (incomplete_from_ < 0) incomplete_from_ = topic_end().value;
  std::vector<const DeadLetter*> fresh;
  for (const DeadLetter& letter : letters)
    if (is_new(letter)) fresh.push_back(&letter);
  // By offset, so that what a failure or a crash leaves unwritten lies behind what is written.
  // Those of one offset stay in the order of `letters`, into which the pointers point.
  std::ranges::sort(fresh, {}, [](const DeadLetter* letter) { return std::pair(letter->offset, letter); });
  for (std::span<const DeadLetter* const> left = fresh; !left.empty();) {
    size_t count = 0, bytes = 0;
    do bytes += letter_bytes(*left[count++]);
    while (count < left.size() && bytes + letter_bytes(*left[count]) <= kBatchBytesMax);
    TRY(write_batch(left.first(count)));
    left = left.subspan(count);
  }
  incomplete_from_ = -1;
  return {};
}

Result<> DeadLetterQueue::write_batch(std::span<const DeadLetter* const> letters) {
  std::vector<RecordToWrite> records;
  std::deque<std::string> texts;  // header values are views into it
  for (const DeadLetter* letter : letters) records.push_back(record_of(*letter, texts));
  TRY_ASSIGN(const log::TopicInfo info, topic());
  TRY_ASSIGN(const std::string bytes, build_record_batch({}, records));
  std::promise<log::AppendOutcome> promise;
  auto done = promise.get_future();
  std::vector<log::AppendPart> parts;
  parts.push_back({{info.id, PartitionId{0}}, Slice::copy(bytes)});
  log_.append(std::move(parts), [&promise](std::vector<log::AppendOutcome> outcomes) { promise.set_value(std::move(outcomes[0])); });
  const log::AppendOutcome outcome = done.get();
  if (outcome.error != log::AppendError::kNone)
    return fail(ErrorKind::kUnavailable, fmt::format("dead letters to topic '{}': {}", topic_name_, outcome.message));
  counted_ += records.size();
  for (const DeadLetter* letter : letters) {
    remember(letter->source, letter->partition, letter->offset, letter->reason);
    counter("millstream_dead_letters_total", fmt::format("reason=\"{}\",source=\"{}\"", reason_code(letter->reason), letter->source)).add();
  }
  return {};
}

}  // namespace ms::engine
