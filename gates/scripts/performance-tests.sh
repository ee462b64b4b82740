# The project's benchmarks run to their end. Only the benchmarks themselves can compare their figures with a bound.
gate=performance-tests

for_rust() {
  if any 'benches/*.rs' '*/benches/*.rs' && has cargo; then run cargo bench --workspace --quiet --bench '*'
  else lack Rust "benches/*.rs" "Write a benchmark in benches/."
  fi
}

run_k6() { list 'k6/*.js' '*.k6.js' | xargs -0 -n 1 k6 run; }

for_js() {
  if has_script test:performance performance perf bench benchmark; then run_script "$script"
  elif any 'k6/*.js' '*.k6.js' && has k6; then
    run run_k6
  elif any '*.bench.js' '*.bench.ts' && has vitest; then run "$tool" bench --run
  else lack JavaScript "the package.json scripts test:performance, performance, perf, bench and benchmark, k6, vitest bench" \
    "Run \`npm pkg set scripts.bench=...\`."
  fi
}

for_python() {
  if has pytest && "$tool" --help 2>/dev/null | grep -q -e --benchmark-only; then run "$tool" -q --benchmark-only
  elif [ -f locustfile.py ] && has locust && [ -n "${ORCH_INPUT_URL:-}" ]; then
    run "$tool" --headless --users 10 --run-time 30s --exit-code-on-error 1 --host "$ORCH_INPUT_URL"
  else lack Python "pytest-benchmark, locustfile.py with the workflow's input url" "Run \`pip install pytest-benchmark\`."
  fi
}

for_go() {
  has go || { lack Go go "Install Go."; return 0; }
  if any '*_test.go'; then run_counted '/^Benchmark.* ns\/op/ { n++ }' go test -run '^$' -bench . ./...
  else lack Go "*_test.go with benchmarks" "Write a function Benchmark... in a test file."
  fi
}

for_java() {
  if grep -qs jmh build.gradle build.gradle.kts; then run_gradle jmh
  elif [ -f pom.xml ] && grep -q gatling pom.xml; then run_maven gatling:test
  else lack Java "the plugin jmh (Gradle), gatling (Maven)" "Add it to the build file."
  fi
}

judge performance-tests performance bench
