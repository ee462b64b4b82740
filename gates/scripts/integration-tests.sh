# The tests that use the parts together, where the project keeps them apart from its unit tests.
gate=integration-tests

for_rust() {
  has cargo || { lack Rust cargo "Install Rust from https://rustup.rs."; return 0; }
  if any 'tests/*.rs' '*/tests/*.rs'; then
    run_counted '/^test result: ok/ { n += $4 }' cargo test --workspace --test '*'
  else lack Rust "tests/*.rs" "Write a test in tests/."
  fi
}

for_js() {
  if has_script test:integration integration integration-tests; then run_script "$script"
  else lack JavaScript "the package.json scripts test:integration, integration and integration-tests" \
    "Run \`npm pkg set scripts.test:integration=...\`."
  fi
}

for_python() {
  folder=''
  for folder in tests/integration test/integration integration_tests ''; do [ -z "$folder" ] || [ ! -d "$folder" ] || break; done
  if [ -n "$folder" ] && has pytest; then run "$tool" -q "$folder"
  elif [ -n "$folder" ] && has python3; then
    run_counted '/^Ran [0-9]+ tests? in/ { n += $2 }' python3 -m unittest discover "$folder"
  else lack Python "tests/integration, test/integration or integration_tests for pytest" \
    "Write a test in tests/integration/."
  fi
}

for_go() {
  if ! any '*_test.go' || ! list '*_test.go' | xargs -0 grep -lE '^//go:build .*integration' | grep -q .; then
    lack Go "*_test.go with the build tag integration" "Write one that begins with \`//go:build integration\`."
  elif has go; then run_counted '/^ok / && !/\[no tests to run\]/ { n++ }' go test -tags integration ./...
  else lack Go go "Install Go."
  fi
}

for_java() {
  if [ -f pom.xml ] && grep -q maven-failsafe-plugin pom.xml; then run_maven verify
  elif grep -qs integrationTest build.gradle build.gradle.kts; then run_gradle integrationTest
  else lack Java "the plugin failsafe (Maven), a task integrationTest (Gradle)" "Add it to the build file."
  fi
}

judge integration-tests integration
