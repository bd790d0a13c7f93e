# Compiler, flags, sanitizers. GCC 12 miscompiles coroutines (a braced aggregate inside an awaited call is destroyed twice), so it is refused.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR
    "Millstream needs clang 19 or newer, found ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}.\n"
    "GCC 12 miscompiles coroutines (a braced aggregate inside an awaited call is destroyed twice; co_await in a condition can crash).\n"
    "Run ./dev setup and then ./dev build, which choose clang 19 for you.")
endif()

set(MS_SANITIZE "" CACHE STRING "-fsanitize= list, empty for none")
option(MS_FUZZ "build the libFuzzer targets" OFF)

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -gline-tables-only")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g")

# The same bits on every machine: no contraction into fused multiply-add, no fast math. The baseline is x86-64-v3 (2013 and later).
add_compile_options(-ffp-contract=off -fno-fast-math -march=x86-64-v3 -fno-omit-frame-pointer -fcolor-diagnostics)
# simdjson compiles its AVX2 code in only where carry-less multiplication is there too, which x86-64-v3 does not name but every
# such machine has. The precompiled header was made without it.
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/codec/json_columns.cc PROPERTIES COMPILE_OPTIONS -mpclmul SKIP_PRECOMPILE_HEADERS ON)
# Precompiled headers and ccache agree only when the timestamp stays out of the header.
add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
add_link_options(-fuse-ld=lld-19)

if(MS_SANITIZE)
  add_compile_options(-fsanitize=${MS_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MS_SANITIZE})
  add_compile_definitions(MS_SANITIZED=1)
endif()
if(MS_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

add_library(ms_warnings INTERFACE)
target_compile_options(ms_warnings INTERFACE -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Werror -Wno-missing-field-initializers)
