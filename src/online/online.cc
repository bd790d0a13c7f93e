#include "online/online.h"

#include <fmt/format.h>

#include "base/nearest.h"
#include "catalog/catalog.h"
#include "online/derived.h"

namespace ms::online {
namespace {

std::string_view type_of(const KeyValue& value) {
  switch (value.index()) {
    case 1: return "an integer";
    case 2: return "a bool";
    case 3: return "a string";
    default: return "null";
  }
}

Result<> append_part(const feature::Field& part, const KeyValue& value, const std::string& view, std::string& key) {
  if (const auto* text = std::get_if<std::string_view>(&value); text != nullptr && part.type == TypeKind::kString) {
    feature::append_key_part(key, *text);
  } else if (const auto* number = std::get_if<int64_t>(&value); number != nullptr && part.type == TypeKind::kInt64) {
    feature::append_key_part(key, *number);
  } else if (const auto* flag = std::get_if<bool>(&value); flag != nullptr && part.type == TypeKind::kBool) {
    feature::append_key_part(key, *flag);
  } else {
    return invalid(fmt::format("entity key '{}' of view '{}' is {}, but it must be of type {}", part.name, view, type_of(value), to_string(part.type)));
  }
  return {};
}

const KeyValue* find_field(const EntityRow& entity, std::string_view name) {
  for (const auto& [field, value] : entity.fields)
    if (field == name) return &value;
  return nullptr;
}

Result<std::shared_ptr<const ReadPlan>> make_plan(const engine::Engine& engine, const catalog::ServiceEntry& service) {
  auto plan = std::make_shared<ReadPlan>();
  plan->service = service.definition.name;
  plan->version = service.version;
  for (const auto& view : service.views) {
    TRY_ASSIGN(const uint32_t slot, engine.find_view(view->definition.name, view->version));
    plan->views.push_back({.slot = slot, .name = view->definition.name, .version = view->version, .entity = view->entity.name, .program = view->program});
  }
  for (const catalog::ServiceColumn& column : service.columns)
    plan->columns.push_back({.name = column.name, .type = plan->views[column.view].program->features()[column.feature].type, .view = column.view, .feature = column.feature});
  plan->program = service.program;
  render(*plan);
  return plan;
}

}  // namespace

Result<> append_key(const ReadPlanView& view, const EntityRow& entity, std::string& key) {
  const auto& parts = view.program->key_fields();
  for (const feature::Field& part : parts) {
    const KeyValue* value = find_field(entity, part.name);
    if (value == nullptr && parts.size() == 1) value = find_field(entity, view.entity);
    if (value == nullptr)
      return invalid(fmt::format("entity key '{}' of view '{}' is missing; send {{\"entities\": [{{\"{}\": ...}}]}}", part.name, view.name, part.name));
    TRY(append_part(part, *value, view.name, key));
  }
  return {};
}

Result<std::shared_ptr<const ReadPlan>> Online::plan(std::string_view name) {
  const auto snapshot = catalog_.snapshot();
  {
    const std::scoped_lock lock(mutex_);
    if (revision_ != snapshot->revision) plans_.clear(), revision_ = snapshot->revision;
    if (const auto at = plans_.find(name); at != plans_.end()) return at->second;
  }
  const auto service = snapshot->find_service(name);
  if (!service) {
    std::vector<std::string> names;
    for (const auto& s : snapshot->services) names.push_back(s->definition.name);
    return not_found(fmt::format("there is no service '{}'{}", name, did_you_mean(name, names)));
  }
  TRY_ASSIGN(auto plan, make_plan(engine_, *service));
  const std::scoped_lock lock(mutex_);
  if (revision_ == snapshot->revision) plans_.insert_or_assign(std::string(name), plan);
  return plan;
}

Result<> Online::read(std::shared_ptr<const ReadPlan> plan, std::span<const EntityRow> entities, std::string_view request, Reply& reply) {
  if (plan->program || !request.empty())
    TRY(read_request_fields(plan->program.get(), plan->service, request, entities.size(), reply.request));
  const size_t views = plan->views.size();
  thread_local std::string bytes;
  thread_local std::vector<size_t> ends;
  thread_local std::vector<engine::ReadKey> keys;
  bytes.clear(), ends.clear(), keys.clear();
  for (size_t i = 0; i < entities.size(); ++i)
    for (const ReadPlanView& view : plan->views) {
      if (auto appended = append_key(view, entities[i], bytes); !appended)
        return Unexpected(entities.size() == 1 ? appended.error() : appended.error().within(fmt::format("entities[{}]", i)));
      ends.push_back(bytes.size());
    }
  size_t begin = 0;
  for (size_t i = 0; i < ends.size(); begin = ends[i++])
    keys.push_back({.view = plan->views[i % views].slot, .key = std::string_view(bytes).substr(begin, ends[i] - begin)});
  if (reply.rows.size() < keys.size()) reply.rows.resize(keys.size());
  TRY_ASSIGN(auto result, engine_.read(keys, std::span(reply.rows).first(keys.size())));
  reply.plan = std::move(plan);
  reply.as_of = result.as_of;
  reply.cut = std::move(result.cut);
  reply.entities = entities.size();
  derive(reply);
  return {};
}

}  // namespace ms::online
