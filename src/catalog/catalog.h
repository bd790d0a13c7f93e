// What is defined: sources, entities, views and services with their immutable versions, durable in DIR/catalog.
//
// Threads: every method is thread-safe. A snapshot never changes; take a new one after apply().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"
#include "catalog/plan_report.h"
#include "feature/definition.h"
#include "feature/service_program.h"
#include "feature/view_program.h"

namespace ms::catalog {

struct SourceEntry {
  feature::SourceDefinition definition;
  TopicId topic;  // bound when it was applied
};

// One version of a view, with everything it was compiled from. Never changes (but for owner).
struct ViewEntry {
  feature::ViewDefinition definition;
  uint32_t version = 0;                    // from 1
  SourceEntry source;                      // as it was when this version was made
  feature::EntityDefinition entity;
  std::shared_ptr<const feature::ViewProgram> program;
  std::vector<std::string> feature_hashes;  // SHA-256 in hex, in the order of the features
};

struct ServiceColumn {
  std::string name;      // as in replies and training sets
  uint32_t view = 0;     // index into ServiceEntry::views
  uint32_t feature = 0;  // index into that view version's features
};
struct ServiceEntry {
  feature::ServiceDefinition definition;
  uint32_t version = 0;
  std::vector<std::shared_ptr<const ViewEntry>> views;  // the versions that this service version reads
  std::vector<ServiceColumn> columns;
  // Its labels: of each view that they are of, what they compute (no version, no state; compiled like a view), in the order of the
  // definition. Their names are columns of training sets, after the others.
  std::vector<std::shared_ptr<const ViewEntry>> labels;
  // Its request fields and derived features, over `columns` in their order; null: it has neither.
  std::shared_ptr<const feature::ServiceProgram> program;
  std::vector<std::string> derived_hashes;  // SHA-256 in hex, in the order of the definition
};

struct CatalogSnapshot {
  uint64_t revision = 0;  // grows with each apply() that changed something
  std::vector<std::shared_ptr<const SourceEntry>> sources;              // sorted by name
  std::vector<std::shared_ptr<const feature::EntityDefinition>> entities;  // sorted by name
  // The newest version of every view and the older ones that a service still reads; sorted by name, then version.
  std::vector<std::shared_ptr<const ViewEntry>> views;
  std::vector<std::shared_ptr<const ServiceEntry>> services;            // the newest versions, sorted by name
  // Older versions that nothing reads any more: kept, because a version once given is never given again.
  std::vector<std::shared_ptr<const ViewEntry>> retired_views;
  std::vector<std::shared_ptr<const ServiceEntry>> retired_services;

  std::shared_ptr<const SourceEntry> find_source(std::string_view name) const;
  std::shared_ptr<const feature::EntityDefinition> find_entity(std::string_view name) const;
  std::shared_ptr<const ViewEntry> find_view(std::string_view name) const;  // the newest version
  std::shared_ptr<const ViewEntry> find_view(std::string_view name, uint32_t version) const;
  std::shared_ptr<const ServiceEntry> find_service(std::string_view name) const;
};

// A file of definitions; `name` is what error messages call it.
struct DefinitionFile {
  std::string name;
  std::string text;
};

struct KnownTopic {
  KnownTopic(TopicId topic, bool is_compacted = false) : id(topic), compacted(is_compacted) {}  // NOLINT: a topic is its id, mostly
  TopicId id;
  bool compacted;  // the log removes records that are superseded
};
// A topic by name; nullopt: there is none. A null function: topics are not checked (plan without a server).
using TopicLookup = std::function<std::optional<KnownTopic>(std::string_view)>;

class Catalog {
 public:
  // Over `dir`/catalog.json. Errors: Corruption (the document is not what was written, or does not compile), Unsupported
  // (a newer format).
  static Result<std::unique_ptr<Catalog>> open(FileSystem& fs, const std::string& dir);

  std::shared_ptr<const CatalogSnapshot> snapshot() const;

  // What apply() would do. Never fails as a call: what is wrong stands in report.refusals.
  PlanReport plan(std::span<const DefinitionFile> files, const TopicLookup& topics) const;

  // Makes the definitions durable and current, all or none; definitions that `files` do not name stay as they are.
  // With refusals nothing changes. Every topic must be known. Errors: of the file system.
  Result<PlanReport> apply(std::span<const DefinitionFile> files, const TopicLookup& topics);

  // Runs `remove`, which deletes the topic, unless a source is bound to it; no apply() binds one meanwhile. Errors: kConflict,
  // with the name of the source; what `remove` says.
  Result<> remove_topic(TopicId id, std::string_view name, const std::function<Result<>()>& remove);
  // The same for `alter`, which makes the topic a compacted one.
  Result<> compact_topic(TopicId id, std::string_view name, const std::function<Result<>()>& alter);

  // JSON documents for GET /v1/{sources,entities,views,services}[/{name}] and `millstream list|describe`.
  // `kind`: "sources", "entities", "views", "services". Errors: NotFound, with the nearest name; InvalidArgument (kind).
  Result<std::string> list_json(std::string_view kind) const;
  Result<std::string> describe_json(std::string_view kind, std::string_view name) const;

 private:
  Result<> unless_read(TopicId id, std::string_view name, std::string_view refusal, const std::function<Result<>()>& work);
  Catalog(FileSystem& fs, std::string dir) : fs_(fs), dir_(std::move(dir)) {}

  FileSystem& fs_;
  std::string dir_;
  std::mutex apply_mutex_;    // one apply() or remove_topic() at a time
  mutable std::mutex mutex_;  // guards snapshot_
  std::shared_ptr<const CatalogSnapshot> snapshot_;
};

}  // namespace ms::catalog
