# No dependency of others has a known weakness. The tools ask a data base, most of them over the network.
gate=dependency-audit
nothing="no dependency that others have written"

# An audit that did not reach its data base has found nothing out.
audit() {
  code=0
  echo "\$ $*"
  "$@" >"$scratch/audit" 2>&1 || code=$?
  cat "$scratch/audit"
  ran="${ran:+$ran; }$*"
  [ "$code" -ne 0 ] || return 0
  if grep -qiE 'ENOTFOUND|audit endpoint returned an error|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|could not resolve|failed to (fetch|resolve)|couldn.t fetch|connection (refused|error)|network is unreachable|ENOLOCK|requires an existing lockfile' "$scratch/audit"; then
    echo "$gate: no verdict: \`$*\` did not reach its data base, or has no lock file"
    exit 127
  fi
  echo "$gate: \`$*\` ended with exit code $code"
  exit "$code"
}

for_rust() {
  if [ -f Cargo.lock ] && ! grep -q '^source = ' Cargo.lock; then return 0; fi
  if [ ! -f Cargo.lock ] && ! grep -qE '^\[(.*\.)?(dev-|build-)?dependencies' Cargo.toml; then return 0; fi
  if has_cargo audit; then audit cargo audit
  elif has_cargo deny; then audit cargo deny check advisories
  elif has osv-scanner; then audit osv-scanner --lockfile Cargo.lock
  else lack Cargo.toml "cargo-audit, cargo-deny, osv-scanner" "Run \`cargo install cargo-audit\`."
  fi
}

for_js() {
  grep -qiE '"(dev|peer|optional)?dependencies"' package.json || return 0
  if [ -f pnpm-lock.yaml ] && has pnpm; then audit "$tool" audit --audit-level high
  elif [ -f yarn.lock ] && grep -q '^# yarn lockfile v1' yarn.lock && has yarn; then audit "$tool" audit --level high
  elif [ -f yarn.lock ] && has yarn; then audit "$tool" npm audit --severity high
  elif has npm; then audit "$tool" audit --audit-level=high
  else lack package.json "npm audit, pnpm audit, yarn npm audit" "Install Node.js."
  fi
}

for_python() {
  any 'requirements*.txt' poetry.lock uv.lock Pipfile.lock || grep -qsE '^dependencies|^\[tool\.poetry\.dependencies' pyproject.toml ||
    return 0
  if has pip-audit && [ -f requirements.txt ]; then audit "$tool" --requirement requirements.txt
  elif has pip-audit; then audit "$tool" .
  elif has osv-scanner; then audit "$tool" --recursive .
  elif has safety; then audit "$tool" check
  else lack "Python's dependencies" "pip-audit, osv-scanner, safety" "Run \`pip install pip-audit\`."
  fi
}

for_go() {
  grep -q '^[[:space:]]*require' go.mod || return 0
  if has govulncheck; then audit "$tool" ./...
  elif has osv-scanner; then audit "$tool" --lockfile go.mod
  else lack go.mod "govulncheck, osv-scanner" "Run \`go install golang.org/x/vuln/cmd/govulncheck@latest\`."
  fi
}

for_java() {
  if [ -f pom.xml ] && ! grep -q '<dependency>' pom.xml; then return 0; fi
  if [ -f pom.xml ] && grep -q dependency-check-maven pom.xml; then run_maven dependency-check:check
  elif grep -qs dependencycheck build.gradle build.gradle.kts; then run_gradle dependencyCheckAnalyze
  elif has osv-scanner; then audit "$tool" --recursive .
  elif has trivy; then audit "$tool" fs --exit-code 1 --scanners vuln .
  else lack Java "the plugin dependency-check in the build file, osv-scanner, trivy" "Install osv-scanner."
  fi
}

for_astray() { lack "the dependencies of the parts" "manifests at the root" "Write checks/$gate.sh, which goes into the parts."; }
for_other() { :; }

judge dependency-audit audit
