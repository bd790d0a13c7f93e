// Where in a partition the records begin that were appended at some time or later: append times never go back within one.
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "log/log.h"

namespace ms::replay {

// The least offset in [from, until] such that every record at or behind it was appended at `at` or later, but for records that
// share a batch with it. Reads a batch about as often as until - from has binary digits. Errors: those of Log::read.
Result<Offset> first_appended_since(log::Log& log, TopicPartition partition, Offset from, Offset until, AppendTime at);

}  // namespace ms::replay
