# The project's tests pass, and at least one ran.
gate=unit-tests

for_rust() {
  if has cargo; then run_counted '/^test result: ok/ { n += $4 }' cargo test --workspace
  else lack Rust cargo "Install Rust from https://rustup.rs."
  fi
}

for_js() {
  if has_script test:unit unit; then run_script "$script"
  elif ! grep -qs 'no test specified' package.json && has_script test; then run_script test
  elif has vitest; then run "$tool" run
  elif has jest; then run "$tool" --ci
  elif any '*.test.js' '*.test.mjs' '*.test.cjs' 'test/*.js' && has node; then
    run_counted '/^(# |ℹ )pass / { n += $3 }' node --test
  else lack JavaScript "the package.json scripts test:unit, unit and test, vitest, jest, *.test.js for node --test" \
    "Run \`npm pkg set scripts.test='node --test'\` and write a test."
  fi
}

for_python() {
  if has pytest; then run "$tool" -q
  elif has python3 && any 'test_*.py' '*_test.py'; then
    run_counted '/^Ran [0-9]+ tests? in/ { n += $2 }' python3 -m unittest discover
  else lack Python "pytest, test_*.py for python3 -m unittest" "Run \`pip install pytest\` and write a test."
  fi
}

for_go() {
  if has go; then run_counted '/^ok / && !/\[no tests to run\]/ { n++ }' go test ./...
  else lack Go go "Install Go."
  fi
}

for_java() {
  if [ -f pom.xml ]; then run_maven test
  else run_gradle test
  fi
  [ -n "$lacking" ] || any_report || { echo "$gate: the build was content, but no test ran"; exit 1; }
}

# Reports lie in folders that git ignores.
any_report() {
  find . -type f -name 'TEST-*.xml' -exec grep -l '<testcase' {} + 2>/dev/null | head -n 1 | grep -q .
}

judge unit-tests
