#include "catalog/catalog.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/nearest.h"
#include "catalog/catalog_document.h"
#include "catalog/definitions.h"
#include "catalog/planner.h"

namespace ms::catalog {
namespace {

template <class List, class Name>
auto find_in(const List& list, std::string_view name, Name name_of) -> typename List::value_type {
  const auto at = std::find_if(list.begin(), list.end(), [&](const auto& e) { return name_of(*e) == name; });
  return at == list.end() ? nullptr : *at;
}

const std::string& entity_name(const feature::EntityDefinition& e) { return e.name; }
constexpr auto kDefinitionName = [](const auto& e) -> const std::string& { return e.definition.name; };

std::string document_path(const std::string& dir) { return dir + "/catalog.json"; }

// [name, JSON] of everything of one kind.
Result<std::vector<std::pair<std::string, std::string>>> listed(const CatalogSnapshot& s, std::string_view kind) {
  std::vector<std::pair<std::string, std::string>> out;
  if (kind == "sources") {
    for (const auto& e : s.sources) out.emplace_back(e->definition.name, source_json(*e));
  } else if (kind == "entities") {
    for (const auto& e : s.entities) out.emplace_back(e->name, entity_json(*e));
  } else if (kind == "views") {
    for (const auto& e : s.views)
      if (s.find_view(e->definition.name) == e) out.emplace_back(e->definition.name, view_json(*e));
  } else if (kind == "services") {
    for (const auto& e : s.services) out.emplace_back(e->definition.name, service_json(*e));
  } else {
    return invalid(fmt::format("there is no kind '{}'; there are sources, entities, views and services", kind));
  }
  return out;
}

}  // namespace

std::shared_ptr<const SourceEntry> CatalogSnapshot::find_source(std::string_view name) const { return find_in(sources, name, kDefinitionName); }
std::shared_ptr<const feature::EntityDefinition> CatalogSnapshot::find_entity(std::string_view name) const { return find_in(entities, name, entity_name); }
std::shared_ptr<const ServiceEntry> CatalogSnapshot::find_service(std::string_view name) const { return find_in(services, name, kDefinitionName); }

std::shared_ptr<const ViewEntry> CatalogSnapshot::find_view(std::string_view name) const {
  std::shared_ptr<const ViewEntry> newest;
  for (const auto& v : views)
    if (v->definition.name == name && (!newest || v->version > newest->version)) newest = v;
  return newest;
}
std::shared_ptr<const ViewEntry> CatalogSnapshot::find_view(std::string_view name, uint32_t version) const {
  for (const auto& v : views)
    if (v->definition.name == name && v->version == version) return v;
  return nullptr;
}

Result<std::unique_ptr<Catalog>> Catalog::open(FileSystem& fs, const std::string& dir) {
  std::unique_ptr<Catalog> out(new Catalog(fs, dir));
  TRY_ASSIGN(const bool there, fs.exists(document_path(dir)));
  if (!there) {
    out->snapshot_ = std::make_shared<CatalogSnapshot>();
    return out;
  }
  TRY_ASSIGN(const std::string text, read_file(fs, document_path(dir)));
  auto snapshot = read_document(text);
  if (!snapshot) return Unexpected(snapshot.error().within(document_path(dir)));
  out->snapshot_ = std::move(*snapshot);
  return out;
}

std::shared_ptr<const CatalogSnapshot> Catalog::snapshot() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

PlanReport Catalog::plan(std::span<const DefinitionFile> files, const TopicLookup& topics) const {
  return plan_definitions(*snapshot(), parse_definitions(files), topics).report;
}

Result<PlanReport> Catalog::apply(std::span<const DefinitionFile> files, const TopicLookup& topics) {
  if (!topics) return internal("definitions are applied where the topics are known");
  const std::lock_guard applying(apply_mutex_);
  Planned planned = plan_definitions(*snapshot(), parse_definitions(files), topics);
  if (!planned.report.ok() || !planned.report.changes()) return std::move(planned.report);
  TRY(fs_.create_directories(dir_));
  TRY(write_file_atomically(fs_, document_path(dir_), write_document(*planned.next)));
  const std::lock_guard lock(mutex_);
  snapshot_ = std::move(planned.next);
  return std::move(planned.report);
}

Result<> Catalog::unless_read(TopicId id, std::string_view name, std::string_view refusal, const std::function<Result<>()>& work) {
  const std::lock_guard applying(apply_mutex_);
  for (const auto& source : snapshot()->sources)
    if (source->topic == id)
      return fail(ErrorKind::kConflict, fmt::format("source '{}' reads topic '{}': its features could never be built again, so it is not {}",
                                                    source->definition.name, name, refusal));
  return work();
}
Result<> Catalog::remove_topic(TopicId id, std::string_view name, const std::function<Result<>()>& remove) { return unless_read(id, name, "deleted", remove); }
Result<> Catalog::compact_topic(TopicId id, std::string_view name, const std::function<Result<>()>& alter) { return unless_read(id, name, "compacted", alter); }

Result<std::string> Catalog::list_json(std::string_view kind) const {
  TRY_ASSIGN(const auto all, listed(*snapshot(), kind));
  std::string out;
  for (const auto& [name, json] : all) out += (out.empty() ? "" : ",") + json;
  return fmt::format(R"({{"{}":[{}]}})", kind, out);
}

Result<std::string> Catalog::describe_json(std::string_view kind, std::string_view name) const {
  TRY_ASSIGN(const auto all, listed(*snapshot(), kind));
  std::vector<std::string> names;
  for (const auto& [n, json] : all) {
    if (n == name) return json;
    names.push_back(n);
  }
  return not_found(fmt::format("there is no '{}' among the {}{}", name, kind, did_you_mean(name, names)));
}

}  // namespace ms::catalog
