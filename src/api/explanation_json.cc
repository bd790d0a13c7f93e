#include "api/explanation_json.h"

#include "catalog/window_text.h"
#include "online/samples.h"

namespace ms::api {
namespace {

using replay::EventGroup;
using replay::EventPosition;
using replay::FeatureExplanation;
using replay::LeftOut;

Json time_or_null(int64_t us) { return us == feature::kNoEventTime ? Json() : Json(format_time(us)); }

Json event_json(const std::string& topic, const EventPosition& event) {
  return {{"topic", topic},
          {"partition", event.partition.value},
          {"offset", event.offset.value},
          {"event_time", format_time(event.event_time.us)},
          {"append_time", format_time(event.append_time.us)}};
}

// {"events", "first", "last"}
Json group_json(const std::string& topic, const EventGroup& group) {
  const bool any = group.events != 0;
  return {{"events", group.events},
          {"first", any ? event_json(topic, group.first) : Json()},
          {"last", any ? event_json(topic, group.last) : Json()}};
}

Json left_out_json(const std::string& topic, const FeatureExplanation& feature) {
  Json list = Json::array();
  for (size_t reason = 0; reason < replay::kLeftOutCount; ++reason) {
    if (feature.left_out[reason].events == 0) continue;
    Json group{{"reason", to_string(static_cast<LeftOut>(reason))}};
    group.update(group_json(topic, feature.left_out[reason]));
    if (static_cast<LeftOut>(reason) == LeftOut::kRetracted) group["last"]["retracted_by"] = feature.retracted_by.value;
    list.push_back(std::move(group));
  }
  return list;
}

std::string value_bytes(const feature::FeatureColumn& column, const feature::FeatureValue& value) {
  feature::FeatureRow row;
  row.values.push_back(value);
  ByteWriter bytes;
  online::encode_row({&column, 1}, row, bytes);
  return bytes.take();
}

Json tiles_json(const feature::WindowReads& reads) {
  Json tiles = Json::array();
  for (const feature::TilesRead& read : reads.tiles)
    tiles.push_back(
        {{"width", read.width_us == feature::TilesRead::kBase ? "before" : format_duration(read.width_us)}, {"tiles", read.tiles}});
  return tiles;
}

}  // namespace

Json answer_json(const feature::FeatureValue& value, const Type& type) {
  return {{"value", Json::parse(online::value_json(value, type, true))},
          {"status", to_string(value.status)},
          {"event_time", time_or_null(value.event_time_us)}};
}

std::string_view proof_of(bool lost, const feature::FeatureColumn& column, const feature::FeatureValue* served,
                          const feature::FeatureValue& derived) {
  if (lost) return "not_checkable";
  if (served == nullptr) return "derived";
  return value_bytes(column, *served) == value_bytes(column, derived) ? "equal" : "differs";
}

Json view_json(const ExplainedView& view) {
  const replay::ViewExplanation& explanation = *view.explanation;
  Json ranges = Json::array();
  for (const replay::ReadRange& range : explanation.ranges) {
    const auto applied = view.question->applied.find({explanation.topic, range.partition});
    ranges.push_back({{"partition", range.partition.value},
                      {"from", range.from.value},
                      {"until", range.until.value},
                      {"applied", applied == view.question->applied.end() ? 0 : applied->second.value}});
  }
  Json json{{"name", view.question->view->definition.name},
            {"version", view.question->view->version},
            {"topic", explanation.topic_name},
            {"where", view.question->view->definition.where},
            {"shard", view.shard},
            {"publish", view.publish},
            {"known", view.served.reads == nullptr ? Json() : Json(view.served.reads->known)},
            {"seen", group_json(explanation.topic_name, explanation.seen)},
            {"read", std::move(ranges)},
            {"records", explanation.records}};
  const replay::UndecodableRecords& undecodable = explanation.undecodable;
  json["undecodable"] =
      undecodable.records == 0
          ? Json()
          : Json{{"records", undecodable.records},
                 {"last",
                  {{"topic", explanation.topic_name}, {"partition", undecodable.last_partition.value}, {"offset", undecodable.last.value}}},
                 {"last_reason", undecodable.last_reason}};
  json["lost"] = explanation.lost.any() ? Json(explanation.lost.text(explanation.topic_name)) : Json();
  return json;
}

Json feature_json(const ExplainedView& view, size_t i, const std::string& name, Instant as_of) {
  const uint32_t f = view.question->features[i];
  const FeatureExplanation& feature = view.explanation->features[i];
  const catalog::ViewEntry& entry = *view.question->view;
  const feature::FeatureColumn& column = entry.program->features()[f];
  const feature::FeatureDefinition& definition = entry.definition.features[f];
  const feature::FeatureValue& derived = view.explanation->derived.values[f];
  const feature::FeatureValue* served = view.served.row == nullptr ? nullptr : &view.served.row->values[f];
  const std::string& topic = view.explanation->topic_name;

  Json json{{"name", name},
            {"view", entry.definition.name},
            {"aggregate", to_string(definition.aggregate)},
            {"of", definition.of},
            {"where", definition.where}};
  const bool unknown = served == nullptr && feature.lost;
  if (unknown) json.update(Json{{"value", nullptr}, {"status", "GAP"}, {"event_time", nullptr}});
  else json.update(answer_json(served ? *served : derived, column.type));
  const int64_t event_time_us = unknown ? feature::kNoEventTime : (served ? *served : derived).event_time_us;
  json["age_ms"] = event_time_us == feature::kNoEventTime ? Json() : Json((as_of.us - event_time_us) / kMicrosPerMilli);
  json["window"] = {{"text", catalog::describe(definition.window)},
                    {"tail", feature.tail_us == INT64_MIN ? Json() : Json(format_time(feature.tail_us))},
                    {"head", format_time(feature.head_us)}};
  const bool has_reads = view.served.reads != nullptr && f < view.served.reads->features.size();
  json["tiles"] = has_reads ? tiles_json(view.served.reads->features[f]) : Json();
  json["raw_rows"] = has_reads ? Json(view.served.reads->features[f].rows) : Json();
  json.update(group_json(topic, feature.counted));
  json["nulls"] = feature.nulls;
  json["left_out"] = left_out_json(topic, feature);
  json["derived"] = feature.lost ? Json() : answer_json(derived, column.type);
  json["proof"] = proof_of(feature.lost, column, served, derived);
  return json;
}

}  // namespace ms::api
