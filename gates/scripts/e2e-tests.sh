# The finished program is used as its users do.
gate=e2e-tests

for_rust() {
  if any 'tests/e2e.rs' 'tests/e2e/*.rs' '*/tests/e2e.rs' && has cargo; then
    run_counted '/^test result: ok/ { n += $4 }' cargo test --workspace --test e2e
  else lack Rust "tests/e2e.rs" "Write tests/e2e.rs."
  fi
}

for_js() {
  if has_script e2e test:e2e e2e-tests; then run_script "$script"
  elif any 'playwright.config.*' && has playwright; then run "$tool" test
  elif any 'cypress.config.*' && has cypress; then run "$tool" run
  else lack JavaScript "the package.json scripts e2e, test:e2e and e2e-tests, playwright and cypress with their config" \
    "Run \`npm init playwright\`."
  fi
}

for_python() { python_tests "tests/e2e, test/e2e or e2e for pytest" "Write a test in tests/e2e/." tests/e2e test/e2e e2e; }
for_go() { go_tests e2e; }

for_java() {
  if grep -qs -e e2eTest -e endToEndTest build.gradle build.gradle.kts; then
    task=$(grep -ohs -e e2eTest -e endToEndTest build.gradle build.gradle.kts | head -n 1)
    run_gradle "$task"
  elif [ -f pom.xml ] && grep -q '<id>e2e</id>' pom.xml; then run_maven verify -Pe2e
  else lack Java "a profile e2e (Maven), a task e2eTest or endToEndTest (Gradle)" "Add it to the build file."
  fi
}

judge e2e-tests e2e
