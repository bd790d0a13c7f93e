// What the handlers work with, and one cold request on its way through a worker thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/access.h"
#include "api/jobs.h"
#include "api/worker_pool.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "io/http_server.h"
#include "log/log.h"
#include "online/online.h"
#include "online/samples.h"

namespace ms::api {

// Everything outlives the Api.
struct ApiParts {
  std::string dir;
  FileSystem* fs = nullptr;
  const Clock* clock = nullptr;
  log::Log* log = nullptr;
  catalog::Catalog* catalog = nullptr;
  engine::Engine* engine = nullptr;
  online::Online* online = nullptr;
  online::SampleWriter* samples = nullptr;
  security::Authority* authority = nullptr;  // null: everybody may do everything
  std::string version;       // of the program
  std::string kafka;         // HOST:PORT
  size_t metrics_series_max = 10'000;  // of partitions, and of groups, at /metrics
  int64_t apply_wait_ms = 25'000;  // how long apply waits for new views to catch up before it answers
  uint64_t explain_records_max = 2'000'000;  // that a request for an explanation reads before it answers; a job has no such bound
};

struct Context {
  ApiParts parts;
  JobTable jobs;
  int64_t started_us = 0;
};

// A request copied out of its connection.
struct Call {
  std::vector<std::string> names;  // the decoded {} segments of the route, in order
  std::string query;
  std::string body;
  std::shared_ptr<security::Session> session;  // who asks
};

using Handler = void (*)(Context& context, const Call& call, io::HttpReply& reply);

}  // namespace ms::api
