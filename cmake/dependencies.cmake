# Third-party libraries. Each name is one INTERFACE target ext_<name>; src/folders.txt says which folder owns it.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(ms_pkg name)
  pkg_check_modules(${name}_pkg REQUIRED IMPORTED_TARGET ${ARGN})
  add_library(ext_${name} INTERFACE)
  target_link_libraries(ext_${name} INTERFACE PkgConfig::${name}_pkg)
endfunction()

ms_pkg(fmt fmt)
ms_pkg(spdlog spdlog)
ms_pkg(xxhash libxxhash)
ms_pkg(zstd libzstd)
ms_pkg(lz4 liblz4)
ms_pkg(zlib zlib)
ms_pkg(openssl openssl)
ms_pkg(yaml yaml-cpp)

add_library(ext_snappy INTERFACE)
target_link_libraries(ext_snappy INTERFACE snappy)
add_library(ext_simdjson INTERFACE)
target_link_libraries(ext_simdjson INTERFACE simdjson)
# libparquet exports the simdjson it carries, of another version; whichever library comes first in the program answers for
# both, and ours called theirs (a crash in the first decoded event). So ours comes first in every program.
add_link_options("SHELL:-Wl,--push-state,--no-as-needed -lsimdjson -Wl,--pop-state")
add_library(ext_boost INTERFACE)
target_compile_definitions(ext_boost INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_HAS_CO_AWAIT BOOST_ASIO_HAS_STD_COROUTINE
  BOOST_ASIO_DISABLE_THREADS_PER_CONTEXT=0)
add_library(ext_nlohmann INTERFACE)
add_library(ext_cli11 INTERFACE)

# What expressions mean stands in these (roundings, Unicode tables, patterns): they go into the program itself, so that
# what the tests saw is what runs on every machine.
function(ms_archives name)
  add_library(ext_${name} INTERFACE)
  foreach(archive IN LISTS ARGN)
    find_library(MS_ARCHIVE_${archive} NAMES lib${archive}.a REQUIRED)
    target_link_libraries(ext_${name} INTERFACE ${MS_ARCHIVE_${archive}})
  endforeach()
endfunction()
ms_archives(mpfr mpfr gmp)
ms_archives(utf8proc utf8proc)
ms_archives(re2 re2)

# Arrow C++ comes with the pyarrow wheel, which ./dev setup installs into a virtual environment and names in MS_PYTHON.
set(MS_PYTHON "python3" CACHE STRING "the Python that has pyarrow")
execute_process(COMMAND ${MS_PYTHON} -c "import pyarrow, os; print(os.path.dirname(pyarrow.__file__))"
  OUTPUT_VARIABLE arrow_dir OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE arrow_result ERROR_QUIET)
if(NOT arrow_result EQUAL 0)
  message(FATAL_ERROR "${MS_PYTHON} has no pyarrow; run ./dev setup, then ./dev build")
endif()
file(GLOB arrow_libs ${arrow_dir}/libarrow.so.[0-9]* ${arrow_dir}/libparquet.so.[0-9]*)
add_library(ext_arrow INTERFACE)
target_include_directories(ext_arrow SYSTEM INTERFACE ${arrow_dir}/include)
target_link_libraries(ext_arrow INTERFACE ${arrow_libs} -Wl,-rpath,${arrow_dir})

find_library(MIMALLOC_LIB NAMES mimalloc REQUIRED)
add_library(ext_mimalloc INTERFACE)
target_link_libraries(ext_mimalloc INTERFACE ${MIMALLOC_LIB})

find_package(GTest REQUIRED)
find_library(RAPIDCHECK_LIB rapidcheck)
add_library(ext_tests INTERFACE)
target_link_libraries(ext_tests INTERFACE GTest::gmock GTest::gtest GTest::gtest_main ${RAPIDCHECK_LIB})
