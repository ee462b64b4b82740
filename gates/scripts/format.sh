# Each language's formatter in the mode that only looks. A target called `format` is not used: it usually writes.
gate=format

for_rust() {
  if has_cargo fmt; then run cargo fmt --all --check
  else lack Rust "cargo fmt" "Run \`rustup component add rustfmt\`."
  fi
}

for_js() {
  if has_script format:check format-check fmt:check check-format; then run_script "$script"
  elif has prettier; then run "$tool" --check .
  elif has biome; then run "$tool" format .
  elif has dprint; then run "$tool" check
  else lack JavaScript "the package.json script format:check, prettier, biome, dprint" \
    "Run \`npm install --save-dev prettier\`."
  fi
}

for_python() {
  if has ruff; then run "$tool" format --check .
  elif has black; then run "$tool" --check .
  elif has yapf; then run "$tool" --diff --recursive .
  else lack Python "ruff, black, yapf" "Run \`pip install ruff\`."
  fi
}

for_go() {
  has gofmt || { lack Go gofmt "Install Go."; return 0; }
  unformatted=$(list '*.go' | xargs -0 gofmt -l)
  ran="${ran:+$ran; }gofmt -l"
  [ -z "$unformatted" ] || { printf 'not formatted:\n%s\n' "$unformatted"; exit 1; }
}

for_java() {
  if [ -f pom.xml ] && grep -q spotless pom.xml; then run_maven spotless:check
  elif grep -qs spotless build.gradle build.gradle.kts; then run_gradle spotlessCheck
  else lack Java "the plugin spotless in the build file" "Add the spotless plugin to it."
  fi
}

judge format-check fmt-check
