#include "api/topics_handlers.h"

#include <fmt/format.h>

#include <charconv>
#include <future>

#include "base/nearest.h"
#include "codec/record_batch.h"
#include "log/topic_config.h"

namespace ms::api {
namespace {

constexpr size_t kConsumeMax = 10'000;
constexpr size_t kConsumeBytes = 4u << 20;
constexpr size_t kProduceMax = 10'000;

// Who asks learns of no topic that it may not describe.
bool sees(const Call& call, const log::TopicInfo& topic) {
  return call.session->may(security::Operation::kDescribe, security::topic_resource(topic.name), {}, security::Told::kNo);
}

Result<log::TopicInfo> find(const Context& context, const Call& call) {
  const std::string& name = call.names[0];
  if (auto topic = context.parts.log->find_topic(name)) return *topic;
  std::vector<std::string> names;
  for (const auto& topic : context.parts.log->topics())
    if (sees(call, topic)) names.push_back(topic.name);
  return not_found(fmt::format("there is no topic '{}'{}", name, did_you_mean(name, names)));
}

struct Totals {
  int64_t records = 0, bytes = 0;
};
Totals totals_of(const log::Log& log, const log::TopicInfo& topic) {
  Totals totals;
  for (int32_t p = 0; p < topic.partitions; ++p) {
    const auto state = log.partition_state({topic.id, PartitionId{p}});
    if (!state) continue;  // deleted meanwhile
    totals.records += state->high_watermark.value - state->log_start.value;
    totals.bytes += state->bytes;
  }
  return totals;
}

Json summary(const log::Log& log, const log::TopicInfo& topic) {
  const Totals totals = totals_of(log, topic);
  return {{"name", topic.name},         {"id", topic.id.uuid.to_string()}, {"partitions", topic.partitions},
          {"records", totals.records}, {"bytes", totals.bytes},           {"internal", topic.internal}};
}

Json details(const log::Log& log, const log::TopicInfo& topic) {
  Json json = summary(log, topic);
  json["partition_states"] = Json::array();
  for (int32_t p = 0; p < topic.partitions; ++p) {
    const auto state = log.partition_state({topic.id, PartitionId{p}});
    if (!state) continue;
    json["partition_states"].push_back({{"partition", p},
                                        {"log_start", state->log_start.value},
                                        {"high_watermark", state->high_watermark.value},
                                        {"bytes", state->bytes}});
  }
  json["config"] = Json::object();
  for (const auto& [key, value] : log.effective_config(topic))
    json["config"][key] = {{"value", value}, {"set", topic.config.contains(key)}};
  return json;
}

// Configuration values may be written as JSON strings, numbers or booleans; null removes one (alter only).
Result<std::map<std::string, std::optional<std::string>>> config_member(const Json& object) {
  std::map<std::string, std::optional<std::string>> config;
  const auto at = object.find("config");
  if (at == object.end()) return config;
  if (!at->is_object()) return invalid("\"config\" must be an object");
  for (const auto& [key, value] : at->items()) {
    if (value.is_null()) config[key] = std::nullopt;
    else if (value.is_string()) config[key] = value.get<std::string>();
    else if (value.is_number() || value.is_boolean()) config[key] = value.dump();
    else return invalid(fmt::format("the value of config \"{}\" must be a string, a number or a boolean", key));
  }
  return config;
}

Result<Json> create(Context& context, const Call& call) {
  TRY_ASSIGN(const Json body, parse_object(call.body));
  TRY(only_members(body, {"name", "partitions", "config"}));
  TRY_ASSIGN(const std::string name, string_member(body, "name"));
  TRY_ASSIGN(const int64_t partitions, int_member(body, "partitions", 1));
  TRY_ASSIGN(const auto changes, config_member(body));
  if (name.empty()) return invalid("a topic needs a \"name\"");
  if (partitions < 1 || partitions > INT32_MAX) return invalid("\"partitions\" must be at least 1");
  log::TopicConfig config;
  for (const auto& [key, value] : changes)
    if (value) config[key] = *value;
  TRY_ASSIGN(const log::TopicInfo topic, context.parts.log->create_topic(name, static_cast<int32_t>(partitions), config));
  return details(*context.parts.log, topic);
}

Result<Json> alter(Context& context, const Call& call) {
  TRY_ASSIGN(const log::TopicInfo topic, find(context, call));
  TRY_ASSIGN(const Json body, parse_object(call.body));
  TRY(only_members(body, {"partitions", "config"}));
  TRY_ASSIGN(const int64_t partitions, int_member(body, "partitions", topic.partitions));
  TRY_ASSIGN(const auto changes, config_member(body));
  if (partitions < 1 || partitions > INT32_MAX) return invalid("\"partitions\" must be at least 1");
  const auto change = [&] { return context.parts.log->alter_config(topic.id, changes); };
  if (log::begins_to_compact(topic.config, changes)) TRY(context.parts.catalog->compact_topic(topic.id, topic.name, change));
  else if (!changes.empty()) TRY(change());
  if (partitions != topic.partitions) TRY(context.parts.log->create_partitions(topic.id, static_cast<int32_t>(partitions)));
  TRY_ASSIGN(const log::TopicInfo altered, find(context, call));
  return details(*context.parts.log, altered);
}

Result<Json> remove(Context& context, const Call& call) {
  TRY_ASSIGN(const log::TopicInfo topic, find(context, call));
  TRY(context.parts.catalog->remove_topic(topic.id, topic.name, [&] { return context.parts.log->delete_topic(topic.id); }));
  return Json{{"deleted", topic.name}};
}

Result<std::string> build_batch(const Context& context, const Json& records) {
  std::vector<RecordToWrite> rows;
  const int64_t now_ms = context.parts.clock->wall_us() / kMicrosPerMilli;
  for (const Json& record : records) {
    if (!record.is_object()) return invalid("each of \"records\" must be an object");
    TRY(only_members(record, {"key", "value", "timestamp_ms"}));
    RecordToWrite& row = rows.emplace_back();
    TRY_ASSIGN(row.timestamp_ms, int_member(record, "timestamp_ms", now_ms));
    for (const auto& [name, slot] : {std::pair{"key", &row.key}, std::pair{"value", &row.value}}) {
      const auto at = record.find(name);
      if (at == record.end() || at->is_null()) continue;
      if (!at->is_string()) return invalid(fmt::format("\"{}\" of a record must be a string", name));
      *slot = at->get_ref<const std::string&>();
    }
  }
  return build_record_batch({}, rows);
}

Error to_error(const log::AppendOutcome& outcome) {
  switch (outcome.error) {
    case log::AppendError::kNoSpace: return {ErrorKind::kExhausted, outcome.message};
    case log::AppendError::kOverloaded:
    case log::AppendError::kStorage: return {ErrorKind::kUnavailable, outcome.message};
    case log::AppendError::kUnknownTopicOrPartition: return {ErrorKind::kNotFound, outcome.message};
    default: return {ErrorKind::kInvalidArgument, outcome.message};
  }
}

Result<Json> produce(Context& context, const Call& call) {
  TRY_ASSIGN(const log::TopicInfo topic, find(context, call));
  if (topic.internal) return invalid(fmt::format("topic '{}' is internal: only the server writes to it", topic.name));
  TRY_ASSIGN(const Json body, parse_object(call.body));
  TRY(only_members(body, {"partition", "records"}));
  TRY_ASSIGN(const int64_t partition, int_member(body, "partition", 0));
  const auto records = body.find("records");
  if (records == body.end() || !records->is_array() || records->empty() || records->size() > kProduceMax)
    return invalid(fmt::format("\"records\" must be a list of 1 to {} records", kProduceMax));
  if (partition < 0 || partition >= topic.partitions)
    return invalid(fmt::format("topic '{}' has partitions 0 to {}, not {}", topic.name, topic.partitions - 1, partition));
  TRY_ASSIGN(const std::string batch, build_batch(context, *records));
  std::promise<std::vector<log::AppendOutcome>> done;
  std::vector<log::AppendPart> parts;
  parts.push_back({{topic.id, PartitionId{static_cast<int32_t>(partition)}}, Slice::copy(batch)});
  context.parts.log->append(std::move(parts), [&](std::vector<log::AppendOutcome> outcomes) { done.set_value(std::move(outcomes)); });
  const log::AppendOutcome outcome = std::move(done.get_future().get()[0]);
  if (outcome.error != log::AppendError::kNone) return Unexpected(to_error(outcome));
  return Json{{"topic", topic.name},
              {"partition", partition},
              {"base_offset", outcome.base_offset.value},
              {"records", records->size()},
              {"append_time", format_time(outcome.append_time.us)}};
}

Result<int64_t> query_int(const Call& call, std::string_view name, int64_t otherwise) {
  const auto text = io::query_value(call.query, name);
  if (!text) return otherwise;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size()) return invalid(fmt::format("?{}={} is not an integer", name, *text));
  return value;
}

// A key may come several times.
Json headers_json(const RecordView& record) {
  Json headers = Json::array();
  for (const HeaderView& header : record.headers())
    headers.push_back({{"key", header.key}, {"value", header.value ? Json(*header.value) : Json()}});
  return headers;
}

Json record_json(const RecordView& record, AppendTime at) {
  Json json{{"offset", record.offset}, {"timestamp_ms", record.timestamp_ms}, {"append_time", format_time(at.us)}};
  json["key"] = record.key ? Json(*record.key) : Json();
  json["value"] = record.value ? Json(*record.value) : Json();
  json["headers"] = headers_json(record);
  return json;
}

// The committed records of `read` from `from` on, at most `limit`; `next` becomes the offset to go on with.
Result<Json> collect(const log::ReadResult& read, int64_t from, size_t limit, int64_t& next) {
  Json records = Json::array();
  std::string scratch;
  for (const log::ReadBatch& batch : read.batches) {
    if (batch.base >= read.last_stable) break;
    if (!batch.committed) {
      next = batch.last.value + 1;
      continue;
    }
    TRY_ASSIGN(RecordReader reader, RecordReader::open(batch.bytes.span(), scratch));
    RecordView record;
    RecordReader::Step step;
    while ((step = reader.next(record)) == RecordReader::Step::kRecord) {
      if (record.offset < from) continue;
      if (records.size() == limit) return records;
      records.push_back(record_json(record, batch.at));
      next = record.offset + 1;
    }
    if (step == RecordReader::Step::kMalformed) next = batch.last.value + 1;
  }
  return records;
}

Result<Json> consume(Context& context, const Call& call) {
  TRY_ASSIGN(const log::TopicInfo topic, find(context, call));
  TRY_ASSIGN(const int64_t partition, query_int(call, "partition", 0));
  TRY_ASSIGN(const int64_t limit, query_int(call, "limit", 100));
  if (partition < 0 || partition >= topic.partitions)
    return invalid(fmt::format("topic '{}' has partitions 0 to {}, not {}", topic.name, topic.partitions - 1, partition));
  if (limit < 1 || limit > static_cast<int64_t>(kConsumeMax)) return invalid(fmt::format("?limit= must be 1 to {}", kConsumeMax));
  const TopicPartition where{topic.id, PartitionId{static_cast<int32_t>(partition)}};
  TRY_ASSIGN(const log::PartitionState state, context.parts.log->partition_state(where));
  TRY_ASSIGN(const int64_t asked, query_int(call, "offset", state.log_start.value));
  // Negative: so many records before the end, as kcat does.
  const int64_t from = asked >= 0 ? asked : std::max(state.log_start.value, state.high_watermark.value + asked);
  TRY_ASSIGN(const log::ReadResult read, context.parts.log->read(where, Offset{from}, kConsumeBytes));
  int64_t next = from;
  TRY_ASSIGN(Json records, collect(read, from, static_cast<size_t>(limit), next));
  return Json{{"topic", topic.name},
              {"partition", partition},
              {"records", std::move(records)},
              {"next_offset", next},
              {"high_watermark", read.high_watermark.value},
              {"last_stable", read.last_stable.value}};
}

void answer(io::HttpReply& reply, const Result<Json>& result, int status = 200) {
  if (result) answer_json(reply, *result, status);
  else answer_error(reply, result.error());
}

}  // namespace

void list_topics(Context& context, const Call& call, io::HttpReply& reply) {
  Json topics = Json::array();
  for (const auto& topic : context.parts.log->topics())
    if (sees(call, topic)) topics.push_back(summary(*context.parts.log, topic));
  answer_json(reply, {{"topics", std::move(topics)}});
}

void describe_topic(Context& context, const Call& call, io::HttpReply& reply) {
  const auto topic = find(context, call);
  if (topic) answer_json(reply, details(*context.parts.log, *topic));
  else answer_error(reply, topic.error());
}

void create_topic(Context& context, const Call& call, io::HttpReply& reply) { answer(reply, create(context, call), 201); }
void alter_topic(Context& context, const Call& call, io::HttpReply& reply) { answer(reply, alter(context, call)); }
void delete_topic(Context& context, const Call& call, io::HttpReply& reply) { answer(reply, remove(context, call)); }
void produce_records(Context& context, const Call& call, io::HttpReply& reply) { answer(reply, produce(context, call)); }
void consume_records(Context& context, const Call& call, io::HttpReply& reply) { answer(reply, consume(context, call)); }

}  // namespace ms::api
