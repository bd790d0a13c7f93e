#include "history/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/crc32c.h"
#include "feature/expr.h"

namespace ms::history {
namespace {

using Json = nlohmann::ordered_json;

Json file_json(const FileIdentity& file) {
  return {{"path", file.path}, {"rows", file.rows}, {"bytes", file.bytes}, {"crc32c", fmt::format("{:08x}", file.crc32c)}};
}

Json source_json(const ManifestSource& source) {
  Json out = {{"source", source.name}};
  if (source.topic == TopicId{}) {
    out["file"] = file_json(source.file);
    return out;
  }
  out["topic_id"] = source.topic.uuid.to_string();
  Json offsets = Json::array();
  for (const auto& [partition, offset] : source.offsets)
    offsets.push_back({{"partition", partition.partition.value}, {"offset", offset.value}});
  out["offsets"] = std::move(offsets);
  return out;
}

Json columns_json(const TrainService& service) {
  Json out = Json::array();
  for (const TrainColumn& column : service.columns) {
    const TrainView& view = service.views[column.view];
    const auto& feature = view.program->features()[column.feature];
    Json entry = {{"column", column.name},
                  {"view", view.name},
                  {"view_version", view.version},
                  {"feature", feature.name},
                  {"type", type_text(feature.type)}};
    if (column.feature < view.feature_hashes.size()) entry["hash"] = view.feature_hashes[column.feature];
    if (view.ahead_us != 0) {
      const int64_t from = view.ahead_us - view.program->specs()[column.feature].window.length_us;
      entry["label"] = {{"from", format_duration(from)}, {"to", format_duration(view.ahead_us)}};
    }
    out.push_back(std::move(entry));
  }
  return out;
}

Json request_json(const TrainService& service, const Manifest& manifest) {
  Json out = Json::array();
  for (size_t i = 0; i < manifest.request_columns.size(); ++i) {
    const feature::Field& field = service.program->request()[i];
    out.push_back({{"name", field.name}, {"type", type_text(field.type)}, {"spine_column", manifest.request_columns[i]}});
  }
  return out;
}

Json derived_json(const TrainService& service) {
  Json out = Json::array();
  for (size_t i = 0; i < service.derived.size(); ++i)
    out.push_back({{"column", service.derived[i].first},
                   {"expression", service.derived[i].second},
                   {"type", type_text(service.program->results()[i].type)},
                   {"hash", service.derived_hashes[i]}});
  return out;
}

}  // namespace

Result<FileIdentity> identify(FileSystem& fs, const std::string& path, uint64_t rows) {
  TRY_ASSIGN(const auto file, fs.open(path, FileSystem::Open::kRead));
  TRY_ASSIGN(const uint64_t size, file->size());
  FileIdentity out{.path = path, .rows = rows, .bytes = size};
  std::vector<uint8_t> buffer(std::min<uint64_t>(size, 1u << 20));
  for (uint64_t at = 0; at < size;) {
    TRY_ASSIGN(const size_t read, file->read_at(at, buffer));
    if (read == 0) break;
    out.crc32c = crc32c(std::span(buffer).first(read), out.crc32c);
    at += read;
  }
  return out;
}

std::string to_json(const Manifest& manifest, const TrainService& service, const TrainRequest& request) {
  Json sources = Json::array();
  for (const ManifestSource& source : manifest.sources) sources.push_back(source_json(source));
  Json spine = file_json(manifest.spine);
  spine["time_column"] = manifest.time_column;
  const Json out = {
      {"format", "millstream training set"},
      {"format_version", kManifestVersion},
      {"service", service.name},
      {"service_version", service.version},
      {"language_version", feature::kLanguageVersion},
      {"mode", to_string(request.mode)},
      {"boundary", request.exclude_self  ? "exclude_self"
                   : request.after_event ? "after_event"
                                         : "strict"},
      {"spine", std::move(spine)},
      {"sources", std::move(sources)},
      {"columns", columns_json(service)},
      {"request", request_json(service, manifest)},
      {"derived", derived_json(service)},
      {"rows", manifest.report.rows},
      {"events", manifest.report.events},
      {"undecodable", manifest.report.undecodable},
      {"gap_rows", manifest.report.gap_rows},
      {"not_mature_rows", manifest.report.not_mature_rows},
  };
  return out.dump(2) + "\n";
}

Result<engine::OffsetVector> read_pin(std::string_view json, const std::string& path) {
  const Json document = Json::parse(json, nullptr, false);
  if (!document.is_object() || document.value("format", "") != "millstream training set")
    return invalid(path + " is not the manifest of a training set");
  if (document.value("format_version", 0) > kManifestVersion)
    return fail(ErrorKind::kUnsupported, path + ": a manifest of format " + std::to_string(document.value("format_version", 0)) +
                                             "; this program reads up to " + std::to_string(kManifestVersion));
  engine::OffsetVector out;
  try {
    for (const Json& source : document.at("sources")) {
      if (!source.contains("topic_id")) continue;
      TRY_ASSIGN(const Uuid topic, Uuid::parse(source.at("topic_id").get<std::string>()));
      for (const Json& entry : source.at("offsets"))
        out[{TopicId{topic}, PartitionId{entry.at("partition").get<int32_t>()}}] = Offset{entry.at("offset").get<int64_t>()};
    }
  } catch (const nlohmann::json::exception& error) {
    return invalid(path + ": " + error.what());
  }
  return out;
}

}  // namespace ms::history
