// Request fields and derived features of a service: compiled over its columns, and what they are.
#pragma once

#include <string>
#include <vector>

#include "catalog/catalog.h"

namespace ms::catalog {

// Fills in `program` and `derived_hashes` of an entry whose columns are known; a service without request fields and derived features
// gets none. Errors: InvalidArgument as of ServiceProgram::compile(), which also says what `place` receives.
Result<> compile_derived(ServiceEntry& service, feature::DefinitionPlace* place = nullptr);

// Fields of the request that no derived feature uses.
std::vector<std::string> unused_request_fields(const ServiceEntry& service);

}  // namespace ms::catalog
