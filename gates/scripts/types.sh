# Each language's type checker. What is compiled is checked by its compiler.
gate=types
nothing="no source files, or only JavaScript, which promises no types"

for_rust() {
  if has cargo; then run cargo check --workspace --all-targets --quiet
  else lack Rust cargo "Install Rust from https://rustup.rs."
  fi
}

for_js() {
  any '*.ts' '*.tsx' '*.mts' '*.cts' tsconfig.json || return 0
  if has_script types typecheck type-check; then run_script "$script"
  elif has tsc; then run "$tool" --noEmit
  elif has vue-tsc; then run "$tool" --noEmit
  else lack TypeScript "the package.json scripts types, typecheck and type-check, tsc, vue-tsc" \
    "Run \`npm install --save-dev typescript\`."
  fi
}

for_python() {
  if has mypy; then run "$tool" .
  elif has pyright; then run "$tool"
  elif has basedpyright; then run "$tool"
  elif has ty; then run "$tool" check
  else lack Python "mypy, pyright, basedpyright, ty" "Run \`pip install mypy\`."
  fi
}

for_go() {
  if has go; then run go vet ./...
  else lack Go go "Install Go."
  fi
}

for_java() {
  if [ -f pom.xml ]; then run_maven test-compile
  else run_gradle testClasses
  fi
}

judge types typecheck
