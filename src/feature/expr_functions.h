// The functions of the language by name. docs/expressions.md states each in one line.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "feature/expr_kernel.h"

namespace ms::feature {

std::vector<ScalarFunction> math_functions();
std::vector<ScalarFunction> text_functions();
std::vector<ScalarFunction> time_functions();
std::vector<ScalarFunction> hash_functions();
std::vector<ScalarFunction> decimal_functions();
std::vector<ScalarFunction> list_functions();

// All of them. One name may have several (overloads).
std::span<const ScalarFunction> scalar_functions();
// Their names and those of what the typer itself knows (coalesce, cast, ...), each once.
const std::vector<std::string>& function_names();
// What another SQL calls by `name`: the name here, or a sentence; empty: nothing known.
std::string_view cure_for_function(std::string_view name);

}  // namespace ms::feature
