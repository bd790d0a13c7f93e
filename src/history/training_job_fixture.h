// For tests only: a training set from texts of a spine and of a file of events.
#pragma once

#include <gtest/gtest.h>

#include <stop_token>

#include "base/clock.h"
#include "history/history_fixture.h"
#include "history/table.h"

namespace ms::history {

struct TrainingJob {
  Directory dir;
  TrainService service;
  TrainRequest request;
  ManualClock clock{*parse_time("2002-01-01")};  // events are of 2001
  std::shared_ptr<const Table> output;

  TrainingJob(TrainService what, std::string_view spine, std::string_view events) : service(std::move(what)) {
    request.spine = dir.write("spine.csv", spine);
    request.out = dir / "out.parquet";
    request.event_files["flights"] = dir.write("events.csv", events);
    request.threads = 2;
    request.statuses = true;
  }
  Result<TrainReport> operator()() {
    TRY_ASSIGN(TrainReport report, train(service, request, {.fs = &posix_file_system(), .clock = &clock}, {}, {}));
    TRY_ASSIGN(output, Table::read(request.out, std::nullopt, 1));
    return report;
  }
  std::string refusal() {
    const auto report = (*this)();
    EXPECT_FALSE(report) << "not refused";
    return report ? std::string() : report.error().message;
  }
  // Integers of a column, "null" and the status where there is none.
  std::vector<std::string> column(const std::string& name) const {
    Column values, statuses;
    const auto at = output->find(name), status = output->find(name + "__status");
    EXPECT_TRUE(at) << at.error().message;
    EXPECT_TRUE(status) << status.error().message;
    output->fill(*at, TypeKind::kInt64, 0, output->rows(), values);
    output->fill(*status, TypeKind::kString, 0, output->rows(), statuses);
    std::vector<std::string> out;
    for (size_t i = 0; i < output->rows(); ++i)
      out.push_back(values.valid(i) ? std::to_string(values.ints[i]) : "null " + std::string(statuses.strings[i]));
    return out;
  }
};

}  // namespace ms::history
