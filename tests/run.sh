# Sourced by ./dev: run_tests [--long] [NAME...]. The C++ tests run with AddressSanitizer and UndefinedBehaviorSanitizer, those that
# leave something out under a sanitizer in release too; the Python tests run with the release build. --long tells the Python tests to
# take their long forms (MS_LONG=1); they mostly wait, so beside them, with what they leave of the processor, the C++ tests run in
# release, asan and tsan and then every fuzzer for 60 s. (With nothing in ccache a build takes about 20 minutes on two cores: with three
# of them, the short form would not end in the time that CI has.)

# What the Python tests, the benchmarks and the short form start in release; benchmarks compile with every change.
RELEASE_TESTS=(feature engine history)
PROGRAMS=(millstream bench_tools "${RELEASE_TESTS[@]/%/_test}")

# Every libFuzzer program for $1 seconds, starting from a copy of its regression corpus. Inputs are small, so an allocation
# of more than 160 MiB means that a length from outside was believed. (zstd itself asks for a window of up to 128 MiB, and uses
# as much of it as there are bytes.)
run_fuzzers() {
  local seconds=$1 program name corpus log failed=0
  build fuzz
  for program in build/fuzz/bin/*_fuzz; do
    name=$(basename "$program")
    log=build/fuzz/$name.log
    corpus=$(mktemp -d)
    cp -r "tests/fuzz/$name/." "$corpus" || { failed=1; echo "test: $name has no corpus in tests/fuzz" >&2; }
    echo "test: $name for $seconds s"
    "$program" -max_total_time="$seconds" -rss_limit_mb=1024 -malloc_limit_mb=160 -timeout=20 -print_final_stats=1 \
      -artifact_prefix="$PWD/build/fuzz/$name-" "$corpus" >"$log" 2>&1 ||
      { failed=1; echo "test: $name found something, see $log" >&2; }
    echo "test: $name: $(grep -o 'Done [0-9]* runs' "$log"), $(grep -o 'cov: [0-9]*' "$log" | tail -1), peak $(sed -n 's/stat::peak_rss_mb: *//p' "$log") MiB"
    rm -rf "$corpus"
  done
  return "$failed"
}

# Both: a preset and what ctest is to be told; they leave their failure in `failed`.
test_build() {
  says "building $1"
  build "$1"
  run_ctest "$@"
}

run_ctest() {
  says "running the C++ tests of $1"
  ctest --test-dir "build/$1" --output-on-failure --no-tests=ignore -j 2 "${@:2}" || failed=1
}

says() { printf 'test: %4d s: %s\n' $((SECONDS - started)) "$1"; }

long_cpp_tests() {
  local failed=0
  renice -n 19 -p "$BASHPID" >/dev/null
  run_ctest release "$@"
  test_build asan "$@"
  test_build tsan "$@"
  run_fuzzers "${FUZZ_SECONDS:-60}" || failed=1
  says "the C++ tests and the fuzzers have ended"
  return "$failed"
}

run_tests() {
  local long=0 names=() started=$SECONDS failed=0
  while (($#)); do
    case $1 in
      --long) long=1 ;;
      -*) echo "test: unknown option '$1' (there is --long)" >&2; exit 2 ;;
      *) names+=("$1") ;;
    esac
    shift
  done
  export MS_LONG=$long
  local filter=()
  ((${#names[@]})) && filter=(-R "$(IFS='|'; echo "${names[*]}")")
  says "building release"
  if ((long)); then
    build release  # whole: the Python tests build in it, too, and two builds at once would be in each other's way
    says "the C++ tests begin beside the Python tests, see build/cpp-tests.log"
    set -m  # a process group of its own
    long_cpp_tests "${filter[@]}" >build/cpp-tests.log 2>&1 </dev/null &
    local beside=$!
    set +m
    trap "kill -- -$beside 2>/dev/null || true" EXIT
  else
    build release "${PROGRAMS[@]}"
    ((${#names[@]})) || run_ctest release -R "^($(IFS='|'; echo "${RELEASE_TESTS[*]}"))\$"
    test_build asan "${filter[@]}"
  fi
  says "running the Python tests (clients, end to end, documents, lints)"
  local select=()
  ((${#names[@]})) && select=(-k "$(printf '%s' "${names[0]}"; printf ' or %s' "${names[@]:1}")")
  # A test that hangs says where.
  "$MS_PYTHON" -m pytest -q -o faulthandler_timeout=$((long ? 3600 : 900)) tests "${select[@]}" || { local code=$?; [ $code = 5 ] && ((${#names[@]})) || failed=1; }
  if ((long)); then
    says "waiting for the C++ tests and the fuzzers"
    wait "$beside" || failed=1
    trap - EXIT
    cat build/cpp-tests.log
  fi
  echo "test: $((SECONDS - started)) s in all"
  ((failed == 0)) || { echo "test: FAILED" >&2; exit 1; }
}
