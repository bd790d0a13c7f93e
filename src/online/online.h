// Online reads: a service and entities in, values with statuses, event times and ages out.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "feature/value.h"
#include "feature/view_program.h"
#include "online/request_fields.h"

namespace ms::online {

// A service made ready for reading: which views to ask, with which key parts, and in which order the answers go out.
// Immutable; made once per service version.
struct OutputColumn {
  std::string name;        // the feature's name, or "view.feature" where two views share it
  Type type;
  uint32_t view = 0;       // index into ReadPlan::views
  uint32_t feature = 0;    // index into that view's features
};
struct ReadPlanView {
  uint32_t slot = 0;       // Engine::find_view
  std::string name;
  uint32_t version = 0;
  std::string entity;      // its name is accepted for a key of one part, too
  std::shared_ptr<const feature::ViewProgram> program;
};
struct ReadPlan {
  std::string service;
  uint32_t version = 0;
  std::vector<ReadPlanView> views;
  std::vector<OutputColumn> columns;
  // Request fields and derived features over `columns`, in replies behind them; null: there are none.
  std::shared_ptr<const feature::ServiceProgram> program;
  // What every reply says before and after its `as_of`, made by render().
  std::string json_head, json_features;
  bool has_bytes = false;  // some column is of strings, lists, vectors or maps
};
void render(ReadPlan& plan);

using KeyValue = std::variant<std::monostate, int64_t, bool, std::string_view>;  // monostate: null
struct EntityRow {
  std::vector<std::pair<std::string_view, KeyValue>> fields;  // views into the request
};

struct Reply {
  std::shared_ptr<const ReadPlan> plan;
  Instant as_of;
  std::vector<engine::ReadCut> cut;
  // rows[i * plan->views.size() + v]: the answers of view v for entity i
  std::vector<feature::FeatureRow> rows;
  size_t entities = 0;
  // Of a service with request fields or derived features: what was sent, and derived[i * results + d].
  RequestFields request;
  std::vector<feature::FeatureValue> derived;
  StringArena derived_arena;
};

// Thread-safe. A Reply may be reused by its thread: it keeps its buffers.
class Online {
 public:
  Online(engine::Engine& engine, catalog::Catalog& catalog) : engine_(engine), catalog_(catalog) {}

  // kNotFound names the nearest service; kUnavailable: a view is still catching up (NOT_READY).
  Result<std::shared_ptr<const ReadPlan>> plan(std::string_view service);
  // `request`: the JSON of the request's fields, if there was some; it outlives the use of `reply`.
  // kInvalidArgument: a key, a field of the request; kUnavailable: the engine has no instant to read at.
  Result<> read(std::shared_ptr<const ReadPlan> plan, std::span<const EntityRow> entities, std::string_view request, Reply& reply);

 private:
  engine::Engine& engine_;
  catalog::Catalog& catalog_;
  std::mutex mutex_;
  uint64_t revision_ = 0;  // of the catalog that plans_ were made from
  std::map<std::string, std::shared_ptr<const ReadPlan>, std::less<>> plans_;
};

// Canonical key bytes of a view for one entity row, appended to `key`. kInvalidArgument names the missing or mistyped part.
Result<> append_key(const ReadPlanView& view, const EntityRow& entity, std::string& key);

// One value as it stands in a reply.
std::string value_json(const feature::FeatureValue& value, const Type& type, bool numbers_as_strings);

// Appends the reply as the JSON of 07: {"service","version","as_of","features","rows":[{"found","values","statuses",
// "event_times","ages_ms"}],"service_statuses","cut"}. numbers_as_strings: int64 beyond 2^53 as strings.
void append_json(const Reply& reply, bool numbers_as_strings, std::string& out);

}  // namespace ms::online
