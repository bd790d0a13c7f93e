// The spine of a training set, read as questions.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "feature/definition.h"
#include "history/derive.h"
#include "history/table.h"

namespace ms::history {

// The column that holds the questions' instants: `wanted`, else the first of event_time, timestamp, time, date that there
// is, else the only timestamp column. kInvalidArgument when none or several could be meant.
Result<size_t> choose_time_column(const Table& spine, std::string_view wanted);

// The instant of every row, in microseconds UTC. A row without one is refused: "FILE: row 3: ..." (rows count from 1).
Result<std::vector<int64_t>> read_times(const Table& spine, size_t column, unsigned threads, const std::stop_token& stop);

// The keys of one view's entity for every row. The bytes live as long as this does.
struct SpineKeys {
  std::vector<QuestionKey> keys;
  std::vector<uint32_t> key_of;
  std::vector<std::unique_ptr<StringArena>> arenas;

  // Takes the keys away; their bytes stay in the arenas.
  Questions questions(const std::vector<int64_t>& times_us) {
    return {.keys = std::move(keys), .key_of = std::move(key_of), .times_us = times_us.data(), .rows = times_us.size()};
  }
};
// Errors: kInvalidArgument: a key column is missing, has another type, or is null in a row.
Result<SpineKeys> read_keys(const Table& spine, const std::vector<feature::Field>& key_fields, unsigned threads, const std::stop_token& stop);

}  // namespace ms::history
