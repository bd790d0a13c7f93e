#!/usr/bin/env bash
# The compiler launcher: ccache, with paths below the build directory made relative (CMake names the precompiled header in
# full behind -Xclang, where ccache cannot see that it is a path). So two checkouts share one cache.
exec ccache "${@//$PWD\//}"
