#!/usr/bin/env bash
# The compiler launcher: ccache, with paths below the build directory made relative (CMake names the precompiled header in
# full behind -Xclang, where ccache cannot see that it is a path). So two checkouts share one cache. The precompiled header
# itself is made in each: it holds absolute paths, and would break when the checkout that made it is gone.
for argument in "$@"; do
  [ "$argument" = c++-header ] && exec "$@"
done
exec ccache "${@//$PWD\//}"
