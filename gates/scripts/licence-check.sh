# The project says under which licence it is, and no dependency whose licence is known here forbids to use it so.
# ORCH_INPUT_LICENCES, where the workflow has such an input, is an extended regular expression of what is allowed.
gate=licence-check
allowed=${ORCH_INPUT_LICENCES:-'(MIT|MIT-0|Apache-2\.0|Apache 2\.0|Apache License 2\.0|Apache Software License|MIT License|BSD|BSD License|0?BSD-[0-9]-Clause[A-Za-z-]*|0BSD|ISC|ISC License|Zlib|zlib-acknowledgement|Unlicense|The Unlicense.*|CC0-1\.0|CC-BY-[34]\.0|BSL-1\.0|Unicode-3\.0|Unicode-DFS-2016|Python-2\.0|PSF-2\.0|Python Software Foundation License|MPL-2\.0|Mozilla Public License 2\.0.*|BlueOak-1\.0\.0|CDLA-Permissive-2\.0|OpenSSL|NCSA|WTFPL|LLVM-exception)'}

own licence-check license-check

find_kinds
[ -n "$kinds" ] || finish "no source files"

# The project's own word.
if any 'LICENSE*' 'LICENCE*' 'COPYING*' 'UNLICENSE*' 'LICENSES/*'; then ran="the project has a licence file"
elif grep -qsE '(^|[,{[:space:]])"?licen[cs]e"?[[:space:]]*[:=.]' Cargo.toml package.json pyproject.toml; then
  ran="the project's manifest names its licence"
else
  echo "$gate: the project does not say under which licence it is: no LICENSE or COPYING file, no licence in its manifest"
  exit 1
fi

# Reads lines `NAME<TAB>LICENCE`. Of `A OR B` one must be allowed, of `A AND B` all.
judge_licences() {
  LC_ALL=C awk -F '\t' -v allowed="^$(printf %s "$allowed" | sed 's/\\/\\\\/g')\$" '
    function is_allowed(text, parts, count, i) {
      gsub(/[()]/, " ", text)
      gsub(/ WITH [A-Za-z0-9.-]+/, "", text)
      count = split(text, parts, / +AND +/)
      for (i = 1; i <= count; i++) if (!one_of(parts[i])) return 0
      return count > 0
    }
    function one_of(text, parts, count, i, word) {
      count = split(text, parts, / +OR +|\/|; */)
      for (i = 1; i <= count; i++) {
        word = parts[i]; gsub(/^ +| +$/, "", word)
        if (word ~ allowed) return 1
      }
      return 0
    }
    { total++; if (!is_allowed($2)) print $1 ": " ($2 == "" ? "no licence is named" : $2) >bad }
    END { print total + 0 >count }' bad="$scratch/bad" count="$scratch/count" "$1" || broken awk
  settle
  ran="$ran; $2: $(cat "$scratch/count") licences read"
  # A project with dependencies of which none could be read has not been judged.
  [ "$(cat "$scratch/count")" -gt 0 ] || [ "$3" = none ] || lack "the dependencies" "licences in $2" "Install the dependencies."
}
: >"$scratch/bad"

for_rust() {
  if [ -f deny.toml ] && has_cargo deny; then run cargo deny check licenses; return 0; fi
  has cargo || { lack Cargo.toml "cargo-deny with deny.toml, cargo metadata" "Install Rust."; return 0; }
  # What only other systems need is often not fetched.
  source="cargo metadata"
  if ! cargo metadata --offline --format-version 1 >"$scratch/metadata" 2>"$scratch/trouble" &&
    source="cargo metadata for this system" && host=$(rustc -vV | sed -n 's/^host: //p') &&
    ! cargo metadata --offline --format-version 1 --filter-platform "$host" >"$scratch/metadata" 2>"$scratch/trouble"; then
    tail -n 5 "$scratch/trouble"
    lack Cargo.toml "cargo-deny with deny.toml, cargo metadata --offline" "Run \`cargo fetch\`."
    return 0
  fi
  # In this form each package begins with its name, version, id and licence; those without a source are the project's own.
  LC_ALL=C awk '
    BEGIN { RS = "[{]\"name\":\"" }
    match($0, /^[^"]+","version":"[^"]*","id":"[^"]*","license":/) {
      name = substr($0, 1, index($0, "\"") - 1)
      rest = substr($0, RLENGTH + 1)
      licence = ""
      if (substr(rest, 1, 1) == "\"") { licence = substr(rest, 2); licence = substr(licence, 1, index(licence, "\"") - 1) }
      else if (match(rest, /"license_file":"/)) licence = "a file of its own"
      if (rest ~ /"source":"/) print name "\t" licence
    }' "$scratch/metadata" >"$scratch/rust"
  expected=none
  ! grep -qs '^source = ' Cargo.lock || expected=some
  judge_licences "$scratch/rust" "$source" "$expected"
}

for_js() {
  grep -qE '"(dependencies|optionalDependencies)"' package.json || return 0
  [ -d node_modules ] || { lack package.json "node_modules" "Install the dependencies: \`npm ci\`."; return 0; }
  find ./node_modules -name package.json -print0 |
    LC_ALL=C xargs -0 awk '
      # Only what stands directly in the package counts: `name`, `license`, and the older `license: { type }`.
      function tell(depth, key, last, token, is_value, name, licence, above) {
        if (!counts) return
        while (match(text, /"([^"\\]|\\.)*"|[{}:]/)) {
          token = substr(text, RSTART, RLENGTH)
          text = substr(text, RSTART + RLENGTH)
          if (token == "{") above[++depth] = key
          else if (token == "}") depth--
          else if (token == ":") { key = last; is_value = text ~ /^[ \t\r\n]*"/; continue }
          else {
            last = substr(token, 2, length(token) - 2)
            if (is_value && depth == 1 && key == "name") name = last
            if (is_value && depth == 1 && key == "license") licence = last
            if (is_value && depth == 2 && above[2] ~ /^licenses?$/ && key == "type" && licence == "") licence = last
          }
          is_value = 0
        }
        print (name == "" ? file : name) "\t" licence
      }
      FNR == 1 { tell(); text = ""; file = FILENAME; counts = file ~ /node_modules\/(@[^\/]+\/)?[^\/@]+\/package\.json$/ }
      counts { text = text $0 " " }
      END { tell() }' >"$scratch/js"
  judge_licences "$scratch/js" "node_modules" some
}

for_python() {
  any 'requirements*.txt' poetry.lock uv.lock Pipfile.lock || grep -qsE '^dependencies|^\[tool\.poetry\.dependencies' pyproject.toml ||
    return 0
  if has pip-licenses; then
    "$tool" --format=csv >"$scratch/csv"
    tr -d '"' <"$scratch/csv" | awk -F, 'NR > 1 { print $1 "\t" $3 }' >"$scratch/python"
    judge_licences "$scratch/python" pip-licenses some
  else lack "Python's dependencies" "pip-licenses" "Run \`pip install pip-licenses\` where the dependencies are installed."
  fi
}

for_go() {
  grep -q '^[[:space:]]*require' go.mod || return 0
  if has go-licenses; then run "$tool" check ./...
  else lack go.mod go-licenses "Run \`go install github.com/google/go-licenses@latest\`."
  fi
}

for_java() {
  if [ -f pom.xml ] && ! grep -q '<dependency>' pom.xml; then return 0; fi
  if [ -f pom.xml ] && grep -q license-maven-plugin pom.xml; then run_maven license:check
  else lack Java "license-maven-plugin" "Add it to the build file, or write checks/$gate.sh."
  fi
}

for_astray() { lack "the dependencies of the parts" "manifests at the root" "Write checks/$gate.sh, which goes into the parts."; }
for_other() { :; }

for kind in $kinds; do "for_$kind"; done
if [ -s "$scratch/bad" ]; then
  sort -u "$scratch/bad" | head -n 50
  echo "$gate: $(sort -u "$scratch/bad" | wc -l | tr -d ' ') dependencies have a licence that is not on the list of what is allowed"
  exit 1
fi
finish
