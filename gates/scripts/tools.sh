# What the gates of this folder share. It is put before each of their scripts, which set `gate` and call `judge`.
# The exit code is the verdict: 0 pass, 127 no verdict (orch says `error`), any other fail. The last line says what was run.
exec 2>&1
ran='' absent='' lacking='' tool=''
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Python takes kept bytecode for fresh if a file changed within a second and kept its length; so none is taken.
export PYTHONPYCACHEPREFIX="$scratch/bytecode"

# A program that the gates themselves are written with does not work: then what they did not find means nothing.
broken() { echo "$1" >>"$scratch/broken"; }
settle() {
  [ ! -s "$scratch/broken" ] || { echo "$gate: no verdict: $(sort -u "$scratch/broken" | tr '\n' ' ')did not work here"; exit 127; }
}

# The project's files with such names (globs), each followed by a NUL. With git: tracked or not, but not ignored.
# A folder that git ignores as a whole is read as if there were no git, or it would look empty.
# What others have written and the project only keeps is left out, but for `everything`.
if git rev-parse --is-inside-work-tree >/dev/null 2>&1 && ! git check-ignore -q . 2>/dev/null; then
  names() {
    [ -n "${everything:-}" ] || set -- "$@" ':(exclude)*node_modules/*' ':(exclude)*.venv/*' ':(exclude)vendor/*'
    git ls-files -z -co --exclude-standard -- "$@" ':(exclude).orch/*'
  }
  # A path never looks like an option or like an assignment of awk: each begins with `./`.
  list() { names "$@" | xargs -0 -r printf './%s\0'; }
else
  names() {
    for pattern; do shift; set -- "$@" -o -name "${pattern##*/}" -path "*/$pattern"; done
    shift
    find . -type d \( -name .git -o -name .orch -o -name node_modules -o -name target -o -name .venv -o -name vendor \) \
      -prune -o -type f \( "$@" \) -print0
  }
  list() { names "$@"; }
fi
names '*' >/dev/null || { echo "no verdict: the files of the project cannot be listed"; exit 127; }

[ "$(echo 1 | awk '{ print $1 + 1 }')" = 2 ] || { echo "no verdict: awk does not work here"; exit 127; }

any() { [ "$(names "$@" | head -c 1 | wc -c)" -gt 0 ]; }

# Whether a program is there, in the project's own tool folders first; `tool` is its path.
has() {
  for tool in "node_modules/.bin/$1" ".venv/bin/$1" "venv/bin/$1" "vendor/bin/$1"; do
    [ ! -x "$tool" ] || return 0
  done
  tool=$1
  command -v "$1" >/dev/null && return 0
  absent="${absent:+$absent, }$1"
  return 1
}

# Whether cargo has a subcommand that is installed apart.
has_cargo() {
  command -v "cargo-$1" >/dev/null && return 0
  absent="${absent:+$absent, }cargo-$1"
  return 1
}

# Whether package.json declares one of these scripts; `script` is the first that it does.
has_script() {
  for script; do
    # A key is a text before a colon; those two braces deep below "scripts" are wanted.
    if [ -f package.json ] && awk -v wanted="$script" '
      { text = text $0 " " }
      END {
        while (match(text, /"([^"\\]|\\.)*"|[{}:]/)) {
          token = substr(text, RSTART, RLENGTH)
          text = substr(text, RSTART + RLENGTH)
          if (token == "{") above[++depth] = key
          else if (token == "}") depth--
          else if (token != ":") last = substr(token, 2, length(token) - 2)
          else { key = last; if (depth == 2 && above[2] == "scripts" && key == wanted) found = 1 }
        }
        exit !found
      }' package.json; then return 0; fi
  done
  absent="${absent:+$absent, }package.json script $*"
  return 1
}

# Whether package.json names one of these packages.
has_package() {
  for package; do ! grep -qs "\"$package\"[[:space:]]*:" package.json || return 0; done
  return 1
}

# Runs a script of package.json with the package manager of the lock file.
run_script() {
  if [ -f pnpm-lock.yaml ]; then manager=pnpm
  elif [ -f yarn.lock ]; then manager=yarn
  elif [ -f bun.lock ] || [ -f bun.lockb ]; then manager=bun
  else manager=npm
  fi
  if has "$manager"; then run "$tool" run "$1"
  else lack "the package.json script $1" "$manager" "Install $manager."
  fi
}

# Runs a command. If it complains, the gate ends here with its exit code.
run() {
  echo "\$ $*"
  code=0
  "$@" || code=$?
  ran="${ran:+$ran; }$*"
  [ "$code" -eq 0 ] || { echo "$gate: \`$*\` ended with exit code $code"; exit "$code"; }
}

# Runs a command as `run` does, and lets an awk program add up `n` over its lines: nothing done is no success.
run_counted() {
  counter=$1
  shift
  echo "\$ $*"
  { code=0; "$@" 2>&1 || code=$?; echo "$code" >"$scratch/code"; } |
    awk "{ print } $counter END { print n + 0 >\"$scratch/count\" }"
  ran="${ran:+$ran; }$*"
  code=$(cat "$scratch/code")
  [ "$code" -eq 0 ] || { echo "$gate: \`$*\` ended with exit code $code"; exit "$code"; }
  [ "$(cat "$scratch/count")" -gt 0 ] || { echo "$gate: \`$*\` was content, but it ran nothing"; exit 1; }
}

# The tests that a Python project keeps in a folder of their own, the first of these that is there: LOOKED FOR, FIX, FOLDERS.
python_tests() {
  looked=$1 fix=$2
  shift 2
  for folder in "$@" ''; do [ -z "$folder" ] || [ ! -d "$folder" ] || break; done
  if [ -n "$folder" ] && has pytest; then run "$tool" -q "$folder"
  elif [ -n "$folder" ] && has python3; then
    run_counted '/^Ran [0-9]+ tests? in/ { n += $2 }' python3 -m unittest discover "$folder"
  else lack Python "$looked" "$fix"
  fi
}

# The tests of Go that have this build tag.
go_tests() {
  if ! any '*_test.go' || ! list '*_test.go' | xargs -0 grep -lE "^//go:build .*$1" | grep -q .; then
    lack Go "*_test.go with the build tag $1" "Write one that begins with \`//go:build $1\`."
  elif has go; then run_counted '/^ok / && !/\[no tests to run\]/ { n++ }' go test -tags "$1" ./...
  else lack Go go "Install Go."
  fi
}

run_maven() {
  if [ -x ./mvnw ]; then run ./mvnw -B -q "$@"
  elif has mvn; then run mvn -B -q "$@"
  else lack "pom.xml" "mvnw, mvn" "Install Maven."
  fi
}

run_gradle() {
  if [ -x ./gradlew ]; then run ./gradlew --console=plain -q "$@"
  elif has gradle; then run gradle --console=plain -q "$@"
  else lack "the Gradle build" "gradlew, gradle" "Install Gradle."
  fi
}

# Says that the project has such files, but no tool that could judge them: WHAT, TOOLS, FIX.
lack() {
  lacking="$lacking$gate: no verdict on $1. Looked for: $2; found none of them. $3
"
}

# The project's own word on this gate goes before all detection: checks/NAME.sh, or a target of make or just.
own() {
  if [ -f "checks/$gate.sh" ]; then run sh "checks/$gate.sh"; finish; fi
  for target; do
    for file in Makefile makefile GNUmakefile; do
      ! grep -qsE "^${target}[[:space:]]*:([^=]|\$)" "$file" || {
        if has make; then run make "$target"; else lack "the target $target of $file" make "Install make."; fi
        finish
      }
    done
    for file in justfile Justfile .justfile; do
      ! grep -qsE "^@?$target([[:space:]].*)?:([^=]|\$)" "$file" || {
        if has just; then run just "$target"; else lack "the recipe $target of $file" just "Run \`cargo install just\`."; fi
        finish
      }
    done
  done
}

# The kinds of source in the project, by their manifest at the root. Without any, files decide.
find_kinds() {
  kinds='' astray=''
  for pair in rust:Cargo.toml js:package.json go:go.mod java:pom.xml java:build.gradle java:build.gradle.kts \
    python:pyproject.toml python:setup.py python:setup.cfg python:requirements.txt python:Pipfile; do
    kind=${pair%%:*} manifest=${pair#*:}
    case " $kinds " in *" $kind "*) continue ;; esac
    if [ -f "$manifest" ]; then kinds="$kinds $kind"
    elif any "*/$manifest"; then astray="$astray $manifest"
    fi
  done
  [ -z "$kinds" ] || return 0
  if [ -n "$astray" ]; then kinds=astray
  elif any '*.py'; then kinds=python
  elif any '*.c' '*.cc' '*.cpp' '*.cs' '*.rb' '*.php' '*.swift' '*.kt' '*.java' '*.rs' '*.go' '*.ts' '*.js' '*.ex' '*.sh'; then
    kinds=other
  fi
}

for_astray() {
  lack "this project" "a manifest at its root; there is only, below it:$astray" \
    "Write checks/$gate.sh, which goes into these folders."
}
for_other() {
  lack "these sources" "Cargo.toml, package.json, go.mod, pom.xml, build.gradle, Python files" \
    "Write checks/$gate.sh, or a target $gate in the Makefile."
}

# Tells the verdict and ends. The words are for a project that has nothing to judge.
finish() {
  settle
  [ -z "$absent" ] || echo "looked for and not found: $absent"
  [ -z "${astray:-}" ] || echo "not looked at, because it is not at the root of the project:$astray"
  if [ -n "$lacking" ]; then
    [ -z "$ran" ] || echo "ran without complaint, but that is not all: $ran"
    printf '%s' "$lacking"
    exit 127
  fi
  if [ -n "$ran" ]; then echo "$gate: pass; ran: $ran"
  else echo "$gate: not applicable: ${1:-nothing here that this gate is about}"
  fi
  exit 0
}

# The usual gate: the project's own word, else each kind of source in turn by the script's `for_KIND`.
judge() {
  own "$@"
  find_kinds
  for kind in $kinds; do "for_$kind"; done
  finish "${nothing:-no source files}"
}
