// Where a spine has the fields of a service's request: in column `request.NAME`, else in column `NAME`.
#pragma once

#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "feature/definition.h"
#include "history/table.h"

namespace ms::history {

// The column of a field among `names`; empty: there is none.
std::string_view request_column(const std::vector<std::string>& names, const std::string& field);

// What a CSV's own looks do not tell, for Table::read(). Columns that are in `types` already stay as they are.
void add_request_types(const std::vector<std::string>& names, const std::vector<feature::Field>& fields, std::map<std::string, Type>& types);

// The column of each field. Errors: kInvalidArgument names a field that has no column, or a column that does not hold the field's type (with
// the row, where a text is no time).
Result<std::vector<size_t>> find_request_columns(const Table& spine, const std::vector<feature::Field>& fields, unsigned threads,
                                                 const std::stop_token& stop);

}  // namespace ms::history
