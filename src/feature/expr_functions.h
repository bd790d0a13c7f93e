// Scalar functions on texts, numbers and times, one value at a time. Results are the same bits on every machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "codec/column_batch.h"

namespace ms::feature {

// Texts are UTF-8; positions and lengths count code points.
int64_t text_length(std::string_view text);
std::string_view text_part(std::string_view text, int64_t from, int64_t count);  // from 1; outside parts are cut off
bool text_like(std::string_view text, std::string_view pattern);                  // % any run, _ one code point, \ escapes
std::string_view text_in_case(std::string_view text, bool upper, StringArena& arena);  // ASCII letters only

struct CivilTime {
  int64_t year = 1970;
  int64_t month = 1, day = 1, hour = 0, minute = 0, second = 0;
  int64_t day_of_week = 4;  // Monday 1 .. Sunday 7
};
CivilTime civil_time(int64_t us);  // UTC, floor division before 1970
// The start of the second, minute, hour, day, week (Monday), month or year that holds `us`; nullopt when it lies before
// the first representable instant.
std::optional<int64_t> truncate_time(std::string_view unit, int64_t us);

std::optional<int64_t> int_of_text(std::string_view text);     // the whole text is a decimal integer
std::optional<double> float_of_text(std::string_view text);    // also NaN, Infinity, -Infinity
std::optional<int64_t> int_of_float(double value);             // truncates towards zero; nullopt for NaN and out of range

}  // namespace ms::feature
