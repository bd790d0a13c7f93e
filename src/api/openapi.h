// The OpenAPI document, made from the table of routes, so that it cannot promise what does not exist.
#pragma once

#include <string>

#include "api/problem.h"

namespace ms::api {

Json openapi_document(const std::string& version);

}  // namespace ms::api
