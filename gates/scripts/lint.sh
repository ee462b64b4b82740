# Each language's linter, in the project's own settings.
gate=lint

for_rust() {
  if has_cargo clippy; then run cargo clippy --workspace --all-targets --quiet -- -D warnings
  else lack Rust "cargo clippy" "Run \`rustup component add clippy\`."
  fi
}

for_js() {
  if has_script lint; then run_script lint
  elif has eslint; then run "$tool" --max-warnings 0 .
  elif has biome; then run "$tool" lint .
  elif has oxlint; then run "$tool" --deny-warnings .
  else lack JavaScript "the package.json script lint, eslint, biome, oxlint" "Run \`npm init @eslint/config\`."
  fi
}

for_python() {
  if has ruff; then run "$tool" check .
  elif has flake8; then run "$tool" --exclude .git,.orch,.venv,venv,node_modules .
  elif has pylint; then run "$tool" --recursive=y .
  else lack Python "ruff, flake8, pylint" "Run \`pip install ruff\`."
  fi
}

for_go() {
  if has golangci-lint; then run "$tool" run ./...
  elif has go; then run go vet ./...
  else lack Go "golangci-lint, go vet" "Install Go."
  fi
}

for_java() {
  if [ -f pom.xml ] && grep -q maven-checkstyle-plugin pom.xml; then run_maven checkstyle:check
  elif [ -f pom.xml ] && grep -q maven-pmd-plugin pom.xml; then run_maven pmd:check
  elif grep -qsE 'checkstyle|pmd|ktlint|detekt' build.gradle build.gradle.kts; then run_gradle check -x test
  else lack Java "the plugins checkstyle, pmd, ktlint and detekt in the build file" "Add the checkstyle plugin to it."
  fi
}

judge lint
