// The catalog as its durable JSON document (docs/formats/catalog.md), and parts of it for people.
#pragma once

#include <memory>
#include <string>

#include "catalog/catalog.h"

namespace ms::catalog {

inline constexpr int kCatalogFormat = 2;  // and 1, without labels, derived features and default_json

std::string write_document(const CatalogSnapshot& snapshot);
// Compiles everything again and checks that it has the identities that were written. Errors: Corruption, Unsupported (a newer format).
Result<std::shared_ptr<const CatalogSnapshot>> read_document(std::string_view text);

std::string source_json(const SourceEntry& entry);
std::string entity_json(const feature::EntityDefinition& entity);
std::string view_json(const ViewEntry& entry);
std::string service_json(const ServiceEntry& entry);

}  // namespace ms::catalog
