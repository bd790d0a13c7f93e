# Sourced by ./dev: run_tests [--long] [NAME...]. Builds release, then the sanitizer builds, then runs everything.

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
  local preset
  for preset in release asan tsan; do
    echo "test: building $preset"
    build "$preset"
    echo "test: running the C++ tests of $preset"
    ctest --test-dir "build/$preset" --output-on-failure --no-tests=ignore -j 2 "${filter[@]}" || failed=1
  done
  echo "test: running the Python tests (clients, end to end, documents, lints)"
  local select=()
  ((${#names[@]})) && select=(-k "$(printf '%s' "${names[0]}"; printf ' or %s' "${names[@]:1}")")
  "$MS_PYTHON" -m pytest -q tests "${select[@]}" || { local code=$?; [ $code = 5 ] && ((${#names[@]})) || failed=1; }
  echo "test: $((SECONDS - started)) s in all"
  ((failed == 0)) || { echo "test: FAILED" >&2; exit 1; }
}
