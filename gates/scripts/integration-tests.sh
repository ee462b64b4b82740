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
  python_tests "tests/integration, test/integration or integration_tests for pytest" \
    "Write a test in tests/integration/." tests/integration test/integration integration_tests
}
for_go() { go_tests integration; }

for_java() {
  if [ -f pom.xml ] && grep -q maven-failsafe-plugin pom.xml; then run_maven verify
  elif grep -qs integrationTest build.gradle build.gradle.kts; then run_gradle integrationTest
  else lack Java "the plugin failsafe (Maven), a task integrationTest (Gradle)" "Add it to the build file."
  fi
}

judge integration-tests integration
