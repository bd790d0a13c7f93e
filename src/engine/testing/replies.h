// For tests only: replies of a live engine, and the same answers by a plain derivation from the log and the timeline alone.
#pragma once

#include <fmt/format.h>

#include <algorithm>

#include "engine/live_views.h"
#include "engine/row_split.h"
#include "engine/testing/world.h"
#include "engine/topic_reader.h"
#include "feature/view_state.h"

namespace ms::engine::testing {

// What an answer is, to the bit.
inline std::string bits_of(const feature::FeatureRow& row) {
  std::string out = row.found ? "found" : "unknown";
  for (const feature::FeatureValue& v : row.values)
    out += fmt::format("|{} {} {:x} '{}' {}", feature::to_string(v.status), v.is_null, v.is_null ? 0 : v.i, v.text, v.event_time_us);
  return out;
}

// The answer for `key` at `t` from the records below `cut`, by nothing but the reader and a fresh state.
inline std::string derive(World& world, const std::string& view, std::string_view key, Instant t, const OffsetVector& cut) {
  const auto all = live_views(*world.catalog, *world.log);
  const auto live = std::find_if(all.begin(), all.end(), [&](const LiveView& v) { return v.name == view; });
  const auto state = feature::ViewState::make(live->program);
  const auto reader = TopicReader::make({{live->source, {live->program}}});
  for (const auto& [input, until] : cut) {
    for (Offset at{0}; at < until;) {
      const auto read = world.log->read(input, at, 1 << 20).value();
      EXPECT_TRUE(reader->read(input.partition, read.batches, at, until, 100, [&](TopicReader::Chunk& chunk) -> Result<> {
        std::vector<uint32_t> rows;
        for (uint32_t i = 0; i < chunk.rows[0]->rows; ++i)
          if (chunk.rows[0]->keys[i] == key) rows.push_back(i);
        state->apply(*chunk.rows[0], rows, {INT64_MIN});
        at = chunk.end;
        return {};
      }));
    }
  }
  feature::FeatureRow row;
  state->evaluate(key, feature::table_hash(key), t, false, row);
  return bits_of(row);
}

struct Reply {
  std::string key;
  Instant as_of;
  ReadCut cut;
  std::string bits;
};

inline std::string key_of(uint64_t user) {
  std::string key;
  feature::append_key_part(key, fmt::format("u{}", user));
  return key;
}

inline Reply ask(World& world, const std::string& view, uint64_t user) {
  Reply reply{.key = key_of(user)};
  auto slot = world.engine->find_view(view, 1);
  if (!slot) {  // it is being built
    EXPECT_TRUE(world.engine->refresh(60'000));
    slot = world.engine->find_view(view, 1);
  }
  const ReadKey key{slot.value(), reply.key};
  feature::FeatureRow row;
  const auto result = patiently([&] { return world.engine->read({&key, 1}, {&row, 1}); }).value();
  reply.as_of = result.as_of;
  reply.cut = result.cut.at(0);
  reply.bits = bits_of(row);
  return reply;
}

// Law L1: "" when for every reply the timeline names the same publish and the log below it gives the same bits, else which not.
inline std::string not_as_served(World& world, const std::string& view, const std::vector<Reply>& replies) {
  EXPECT_TRUE(world.engine->sync_timeline());
  const auto timeline = TimelineReader::open(posix_file_system(), world.dir + "/timeline").value();
  for (const Reply& r : replies) {
    const uint32_t shard = shard_of(feature::shard_hash(r.key), timeline->shards_at(r.as_of).value());
    const auto cut = timeline->cut_at(shard, r.as_of).value();
    if (!cut) return "a gap at " + format_time(r.as_of.us);
    if (shard != r.cut.shard || cut->publish != r.cut.publish)
      return fmt::format("{}: served by publish {} of shard {}, the timeline says {} of {}", format_time(r.as_of.us), r.cut.publish, r.cut.shard, cut->publish, shard);
    if (const auto again = derive(world, view, r.key, r.as_of, cut->applied); again != r.bits)
      return format_time(r.as_of.us) + ": served " + r.bits + ", derived " + again;
  }
  return "";
}

}  // namespace ms::engine::testing
