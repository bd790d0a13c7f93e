#include "replay/derived_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "feature/service_rows.h"

namespace ms::replay {
namespace {

std::shared_ptr<const catalog::ServiceEntry> find_service(const catalog::CatalogSnapshot& catalog, const online::Sample& sample) {
  for (const auto* list : {&catalog.services, &catalog.retired_services})
    for (const auto& service : *list)
      if (service->definition.name == sample.service && service->version == sample.service_version) return service;
  return nullptr;
}

template <class Columns>
bool fits(const std::vector<online::DecodedValue>& values, const Columns& columns) {
  return std::ranges::equal(values, columns, [](const auto& value, const auto& column) { return value.type == column.type; });
}

}  // namespace

std::string value_text(const online::DecodedValue& value) {
  std::string out = online::to_text(value) + " " + std::string(to_string(value.status));
  if (!value.is_null && value.type == TypeKind::kFloat64) out += fmt::format(" (bits {:016x})", std::bit_cast<uint64_t>(value.f));
  if (value.event_time_us != feature::kNoEventTime) out += " at " + format_time(value.event_time_us);
  return out;
}

bool same(const online::DecodedValue& a, const online::DecodedValue& b) {
  return a.type == b.type && a.status == b.status && a.is_null == b.is_null && a.event_time_us == b.event_time_us && a.i == b.i &&
         std::bit_cast<uint64_t>(a.f) == std::bit_cast<uint64_t>(b.f) && a.text == b.text;
}

DerivedCheck::DerivedCheck(const catalog::CatalogSnapshot& catalog, const std::vector<online::Sample>& samples)
    : samples_(samples), place_(samples.size(), {UINT32_MAX, 0}) {
  for (uint32_t s = 0; s < samples.size(); ++s) {
    if (samples[s].derived.empty()) continue;
    const auto entry = find_service(catalog, samples[s]);
    if (!entry || !entry->program) {
      ++counts_.forgotten;
      continue;
    }
    auto at = std::ranges::find(services_, entry, &Service::entry);
    if (at == services_.end()) at = services_.insert(at, {entry, {}});
    place_[s] = {static_cast<uint32_t>(at - services_.begin()), static_cast<uint32_t>(at->rows.size())};
    at->rows.push_back({s, std::vector<Input>(entry->columns.size())});
  }
}

void DerivedCheck::add(uint32_t sample, const catalog::ViewEntry& view, const feature::FeatureRow& row, const std::vector<bool>& lost) {
  const auto [service, at] = place_[sample];
  if (service == UINT32_MAX) return;
  const catalog::ServiceEntry& entry = *services_[service].entry;
  std::vector<Input>& inputs = services_[service].rows[at].inputs;
  for (const uint32_t f : entry.program->features_used()) {
    const catalog::ServiceColumn& column = entry.columns[f];
    const catalog::ViewEntry& of = *entry.views[column.view];
    if (of.definition.name != view.definition.name || of.version != view.version) continue;
    inputs[f] = {lost[column.feature] ? Known::kLost : Known::kYes, row.values[column.feature]};
    inputs[f].value.text = arena_.add(inputs[f].value.text);
  }
}

Result<DerivedCheck::Counts> DerivedCheck::run(const Differs& differs) {
  for (const Service& service : services_)
    for (size_t first = 0; first < service.rows.size(); first += kBatchRowsMax)
      TRY(compare(service, first, std::min(kBatchRowsMax, service.rows.size() - first), differs));
  return counts_;
}

Result<> DerivedCheck::compare(const Service& service, size_t first, size_t count, const Differs& differs) {
  const feature::ServiceProgram& program = *service.entry->program;
  feature::ServiceRows rows;
  StringArena arena;
  rows.begin(program, count);
  std::vector<std::vector<online::DecodedValue>> served(count), request(count);
  std::vector<uint8_t> fit(count);
  for (size_t i = 0; i < count; ++i) {
    const Row& row = service.rows[first + i];
    const online::Sample& sample = samples_[row.sample];
    TRY_ASSIGN(request[i], online::decode_values(sample.request));
    TRY_ASSIGN(served[i], online::decode_values(sample.derived));
    fit[i] = fits(request[i], program.request()) && fits(served[i], program.results());
    if (!fit[i]) continue;
    for (const uint32_t f : program.features_used())
      row.inputs[f].known == Known::kYes ? rows.set_feature(f, i, row.inputs[f].value) : rows.set_unknown(f, i);
    for (const uint32_t f : program.request_used()) rows.set_request(f, i, online::feature_value(request[i][f]));
  }
  rows.derive(arena);
  for (size_t i = 0; i < count; ++i) {
    const Row& row = service.rows[first + i];
    if (!fit[i]) {
      TRY(differs(row.sample, "(derived features)", fmt::format("{} values over {} request fields", served[i].size(), request[i].size()),
                  fmt::format("{} over {} of other types", program.results().size(), program.request().size())));
      continue;
    }
    for (size_t d = 0; d < program.results().size(); ++d) {
      const auto is = [&](Known known) { return [&row, known](uint32_t f) { return row.inputs[f].known == known; }; };
      if (std::ranges::any_of(program.inputs(d).features, is(Known::kNo))) continue;
      if (!rows.known(d, i)) {
        ++counts_.not_checkable;
        continue;
      }
      ++counts_.values;
      const feature::FeatureValue value = rows.value(d, i, arena);
      ByteWriter bytes;
      online::encode_values({&program.results()[d].type, 1}, {&value, 1}, bytes);
      TRY_ASSIGN(const auto again, online::decode_values(bytes.str()));
      if (!same(served[i][d], again[0])) TRY(differs(row.sample, program.results()[d].name, value_text(served[i][d]), value_text(again[0])));
    }
  }
  return {};
}

}  // namespace ms::replay
