# Each language's measure of complexity; where there is none, our own: no function over 100 lines.
gate=complexity
lines_max=100

for_rust() {
  if has_cargo clippy; then
    run cargo clippy --workspace --all-targets --quiet -- -A clippy::all -D clippy::cognitive_complexity -D clippy::too_many_lines
  else measure '*.rs'
  fi
}

for_js() {
  if has_script complexity; then run_script complexity
  elif has eslint; then run "$tool" --rule '{"complexity": ["error", 15]}' .
  else measure '*.js' '*.jsx' '*.ts' '*.tsx' '*.mjs' '*.cjs'
  fi
}

for_python() {
  if has ruff; then run "$tool" check --select C901 .
  elif has lizard; then run "$tool" --CCN 15 --languages python .
  else measure '*.py'
  fi
}

for_go() {
  if has gocyclo; then run "$tool" -over 15 .
  elif has gocognit; then run "$tool" -over 15 .
  else measure '*.go'
  fi
}

for_java() {
  if has lizard; then run "$tool" --CCN 15 --languages java .
  else measure '*.java' '*.kt'
  fi
}

for_other() { measure '*.c' '*.cc' '*.cpp' '*.cs' '*.rb' '*.php' '*.swift' '*.kt' '*.java' '*.rs' '*.go' '*.ts' '*.js' '*.sh'; }
for_astray() { for_other; }

# A function reaches from its head to the next line that is not deeper than the head. That needs formatted code.
measure() {
  any "$@" || return 0
  list "$@" | xargs -0 awk -v max="$lines_max" '
    function close_function() {
      if (name != "" && last - first + 1 > max) printf "%s:%d: %d lines: %s\n", file, first, last - first + 1, name
      name = ""
    }
    FNR == 1 { close_function(); file = FILENAME }
    /^[ \t]*$/ { next }
    {
      match($0, /^[ \t]*/); depth = RLENGTH
      if (name != "" && (depth < indent || depth == indent && $0 !~ /^[ \t]*[\])}]/)) close_function()
      if (name != "") last = FNR
      if (name == "" && $0 ~ /(^|[ \t])(fn|func|def|function|public|private|protected|static)[ \t(]/ && $0 !~ /;[ \t]*$/ &&
          $0 ~ /\(|:[ \t]*$/ && $0 !~ /(^|[ \t])(class|interface|enum|struct|record|trait|namespace)[ \t]/) {
        name = substr($0, 1, 80); sub(/^[ \t]+/, "", name); indent = depth; first = last = FNR
      }
    }
    END { close_function() }' >"$scratch/long" || broken awk
  settle
  ran="${ran:+$ran; }our own measure (functions of at most $lines_max lines; no branches are counted) on $*"
  [ ! -s "$scratch/long" ] || { echo "functions over $lines_max lines:"; head -n 50 "$scratch/long"; exit 1; }
}

judge complexity
