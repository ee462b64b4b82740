# The tests reach at least 80 % of the lines, or what the workflow's input `coverage` says.
# A target of make or just is not used here: nothing shows that it compares a figure with the bound.
gate=coverage
min=${ORCH_INPUT_COVERAGE:-80}
case $min in
  '' | *[!0-9.]* | *.*.*) echo "$gate: the input coverage is no number: $min"; exit 127 ;;
esac

for_rust() {
  if has_cargo llvm-cov; then run cargo llvm-cov --workspace --fail-under-lines "$min"
  elif has_cargo tarpaulin; then run cargo tarpaulin --workspace --skip-clean --fail-under "$min"
  else lack Rust "cargo-llvm-cov, cargo-tarpaulin" "Run \`cargo install cargo-llvm-cov\`."
  fi
}

for_js() {
  if has vitest; then run "$tool" run --coverage --coverage.thresholds.lines="$min"
  elif has jest; then run "$tool" --ci --coverage --coverageThreshold "{\"global\": {\"lines\": $min} }"
  elif has c8 && has_script test; then has c8; run "$tool" --check-coverage --lines "$min" npm test
  elif has nyc && has_script test; then has nyc; run "$tool" --check-coverage --lines "$min" npm test
  elif has node && node --help | grep -q -e --test-coverage-lines && any '*.test.js' '*.test.mjs' '*.test.cjs'; then
    run_counted '/^(# |ℹ )pass / { n += $3 }' node --test --experimental-test-coverage --test-coverage-lines="${min%%.*}"
  else lack JavaScript "vitest, jest, c8, nyc, node --test with --test-coverage-lines (Node 22)" \
    "Run \`npm install --save-dev c8\`."
  fi
}

for_python() {
  if has pytest && "$tool" --help 2>/dev/null | grep -q -e --cov-fail-under; then
    run "$tool" -q --cov --cov-fail-under="$min"
  elif has coverage && has pytest; then
    has coverage; run "$tool" run -m pytest -q; run "$tool" report --fail-under="$min"
  elif has coverage; then run "$tool" run -m unittest discover; run "$tool" report --fail-under="$min"
  else lack Python "pytest-cov, coverage" "Run \`pip install pytest-cov\`."
  fi
}

for_go() {
  has go || { lack Go go "Install Go."; return 0; }
  run go test -coverprofile="$scratch/cover" ./...
  reached=$(go tool cover -func="$scratch/cover" | awk '/^total:/ { sub(/%/, "", $NF); print $NF }')
  echo "lines reached: ${reached:-0} %, at least $min are asked for"
  awk -v reached="${reached:-0}" -v min="$min" 'BEGIN { exit !(reached + 0 >= min + 0) }' || exit 1
}

# JaCoCo's report is made by the build; an old one would prove nothing, so it is removed first.
for_java() {
  find . -name jacoco.csv -path '*/jacoco/*' -exec rm -f {} + 2>/dev/null || true
  if [ -f pom.xml ] && grep -q jacoco pom.xml; then run_maven verify
  elif grep -qs jacoco build.gradle build.gradle.kts; then run_gradle test jacocoTestReport
  else lack Java "the plugin jacoco in the build file" "Add the jacoco plugin to it."; return 0
  fi
  [ -z "$lacking" ] || return 0
  find . -name jacoco.csv -exec cat {} + | awk -F, -v min="$min" '
    $8 ~ /^[0-9]+$/ { missed += $8; covered += $9 }
    END {
      if (missed + covered == 0) { print "JaCoCo wrote no jacoco.csv with lines; turn its CSV report on"; exit 127 }
      reached = 100 * covered / (missed + covered)
      printf "lines reached: %.1f %%, at least %s are asked for\n", reached, min
      exit !(reached >= min)
    }' || exit "$?"
}

judge
