# Analysers look for what is likely wrong or unsafe, beyond style.
gate=static-analysis

own static-analysis
# A semgrep configuration of the project covers all its languages.
for file in .semgrep.yml .semgrep.yaml .semgrep; do
  if [ -e "$file" ] && has semgrep; then
    run "$tool" scan --error --metrics off --config "$file"
    finish
  fi
done

for_rust() {
  if has_cargo clippy; then
    run cargo clippy --workspace --all-targets --quiet -- -D clippy::correctness -D clippy::suspicious
  else lack Rust "cargo clippy" "Run \`rustup component add clippy\`."
  fi
}

for_js() {
  if has_script static-analysis analyse analyze; then run_script "$script"
  elif has_package eslint-plugin-security eslint-plugin-no-unsanitized eslint-plugin-sonarjs && has eslint; then run "$tool" .
  elif any '*.ts' '*.tsx' && has tsc; then run "$tool" --noEmit --strict
  else lack JavaScript ".semgrep.yml with semgrep, the package.json script static-analysis, eslint-plugin-security, tsc" \
    "Run \`npm install --save-dev eslint-plugin-security\` and name it in eslint's settings."
  fi
}

for_python() {
  if has bandit; then run "$tool" --quiet --recursive --exclude ./.venv,./venv,./tests,./test,./node_modules,./.orch .
  elif has ruff; then run "$tool" check --select S,B,PLE --ignore S101 .
  elif has pylint; then run "$tool" --recursive=y --errors-only .
  else lack Python ".semgrep.yml with semgrep, bandit, ruff, pylint" "Run \`pip install bandit\`."
  fi
}

for_go() {
  if has gosec; then run "$tool" -quiet ./...
  elif has staticcheck; then run "$tool" ./...
  elif has go; then run go vet ./...
  else lack Go ".semgrep.yml with semgrep, gosec, staticcheck, go vet" "Install Go."
  fi
}

for_java() {
  if [ -f pom.xml ] && grep -q spotbugs pom.xml; then run_maven compile spotbugs:check
  elif grep -qs spotbugs build.gradle build.gradle.kts; then run_gradle spotbugsMain
  else lack Java ".semgrep.yml with semgrep, the plugin spotbugs in the build file" "Add the spotbugs plugin to it."
  fi
}

judge
