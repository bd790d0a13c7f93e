// exclude_self: every row of the spine was made from an event and says where that event stands, so that the features of the row
// count all others up to its time, those of the same instant too.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "feature/view_program.h"
#include "feature/view_state.h"
#include "history/derive.h"
#include "history/events.h"
#include "history/table.h"

namespace ms::history {

using OwnRows = std::vector<feature::RowPosition>;  // one per row of the spine

// The positions that the columns hold. `partition` empty: partition 0; `offset` empty: the row's own number, from 0. Errors:
// kInvalidArgument: a column is missing, is no integer, or holds no position in a row.
Result<OwnRows> read_own_rows(const Table& spine, const std::string& partition, const std::string& offset, unsigned threads,
                              const std::stop_token& stop);

// Some questions of a view whose own rows its state did not hold: `where` may have left them out, they were taken back, or, as served,
// they were applied later. Any other reason is a mistake of the spine, and the source's events tell.
class OwnRowsCheck {
 public:
  // `questions` and `own` must outlive it; `unmet` are numbers of questions.
  static Result<OwnRowsCheck> make(const feature::SourceDefinition& source, const feature::ViewProgram& view, const Questions& questions,
                                   const OwnRows& own, std::vector<uint32_t> unmet);

  // What to read of the source: the events of the same keys about the same times, whatever the view's `where` says of them.
  const std::shared_ptr<const feature::ViewProgram>& program() const { return program_; }
  const Wanted& wanted() const { return *wanted_; }

  // The first question whose own row is not among the events with its key and its time; nullopt: all of them are.
  std::optional<uint32_t> first_missing(const ViewEvents& events) const;

 private:
  OwnRowsCheck(const Questions& questions, const OwnRows& own) : questions_(&questions), own_(&own) {}

  const Questions* questions_;
  const OwnRows* own_;
  std::vector<uint32_t> unmet_;  // by position
  std::shared_ptr<const feature::ViewProgram> program_;
  std::unique_ptr<Wanted> wanted_;
};

}  // namespace ms::history
