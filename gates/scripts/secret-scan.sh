# No secret stands in the project's files, by our own patterns; nor in the history of git, where gitleaks is there.
# What is found is named by file and line; the secret itself is never printed.
gate=secret-scan

own secret-scan
everything=1

# Only plain files are read; one that cannot be read leaves the question open.
list '*' | xargs -0 sh -c '
  for file; do
    [ -f "$file" ] || continue
    if [ -r "$file" ]; then printf "%s\\0" "$file"; else echo "$file" >&3; fi
  done' sh >"$scratch/files" 3>"$scratch/closed"
if [ -s "$scratch/closed" ]; then
  echo "$gate: no verdict: these files cannot be read:"
  head -n 20 "$scratch/closed"
  exit 127
fi
[ -s "$scratch/files" ] || finish "no files"

# The lines that match, without those that are allowed: `FILE:LINE:TEXT`. That nothing matches is no fault of grep (1).
find_lines() {
  { LC_ALL=C xargs -0 sh -c 'options=$1 pattern=$2; shift 2; grep -aHn "$options" -e "$pattern" "$@" || [ "$?" -eq 1 ]' sh "$@" \
    <"$scratch/files" || broken grep; } | { grep -av 'orch:allow-secret' || [ "$?" -eq 1 ] || broken grep; }
}

# look KIND PATTERN: notes `FILE:LINE:` before each line that matches, and what it is.
look() {
  find_lines -E "$2" | LC_ALL=C awk -v kind="$1" '{ if (match($0, /:[0-9]+:/)) print substr($0, 1, RSTART + RLENGTH - 2) ": " kind; else print kind }' \
    >>"$scratch/found" || broken awk
}

: >"$scratch/found"
look 'private key' '-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY( BLOCK)?-----'
look 'AWS access key' '(^|[^A-Za-z0-9])(AKIA|ASIA)[0-9A-Z]{16}([^A-Za-z0-9]|$)'
look 'GitHub token' '(gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22})'
look 'GitLab token' 'glpat-[A-Za-z0-9_-]{20}'
look 'Slack token' '(xox[abeprs]-[A-Za-z0-9-]{10}|hooks\.slack\.com/services/T[A-Z0-9]+/B[A-Z0-9]+/)'
look 'Anthropic key' 'sk-ant-[A-Za-z0-9_-]{20}'
look 'OpenAI key' '(^|[^A-Za-z0-9_-])sk-(proj-|svcacct-|admin-)?[A-Za-z0-9_]{32}'
look 'Google key' 'AIza[0-9A-Za-z_-]{35}'
look 'Stripe key' '(sk|rk)_live_[0-9A-Za-z]{16}'
look 'npm token' 'npm_[A-Za-z0-9]{36}'
look 'password in a URL' '[a-z][a-z0-9+.-]+://[A-Za-z0-9._-]+:[^][{}$<>@/[:space:]"]{6,}@[A-Za-z0-9.-]+\.[a-z]'

# A value given to a name that says it is secret, if the value looks like chance: 3.5 bits a character and a digit.
find_lines -iE '(secret|token|passw(or)?d|api_?-?key|private_?-?key|credential)[a-z0-9_-]*["'\'']?[[:space:]]*(:|=|=>|:=)[[:space:]]*["'\''][A-Za-z0-9+/=_.-]{20,200}["'\'']' | LC_ALL=C awk '
    {
      if (!match($0, /:[0-9]+:/)) next
      place = substr($0, 1, RSTART + RLENGTH - 2)
      rest = substr($0, RSTART + RLENGTH)
      while (match(rest, /["\047][A-Za-z0-9+\/=_.-]+["\047]/)) {
        value = substr(rest, RSTART + 1, RLENGTH - 2)
        rest = substr(rest, RSTART + RLENGTH - 1)
        size = length(value)
        if (size < 20 || value !~ /[0-9]/ || value !~ /[A-Za-z]/) { rest = substr(rest, 2); continue }
        split("", count)
        for (i = 1; i <= size; i++) count[substr(value, i, 1)]++
        bits = 0
        for (letter in count) bits -= count[letter] / size * log(count[letter] / size) / log(2)
        if (bits >= 3.5) { print place ": a value like a secret"; break }
      }
    }' >>"$scratch/found" || broken awk
settle

# .secretsignore holds globs of paths, one a line; what it takes out is counted, not hidden.
allowed=0
: >"$scratch/left"
while IFS= read -r line; do
  path=${line%%:*}
  path=${path#./}
  verdict=left
  if [ -f .secretsignore ]; then
    while IFS= read -r pattern || [ -n "$pattern" ]; do
      case $pattern in '' | '#'*) continue ;; esac
      # shellcheck disable=SC2254 # The pattern is meant as one.
      case $path in $pattern) verdict=allowed ;; esac
    done <.secretsignore
  fi
  if [ "$verdict" = left ]; then printf '%s\n' "$line" >>"$scratch/left"; else allowed=$((allowed + 1)); fi
done <"$scratch/found"

if [ -s "$scratch/left" ]; then
  sort -u "$scratch/left" | head -n 50
  echo "$gate: $(sort -u "$scratch/left" | wc -l | tr -d ' ') places look like secrets. Take them out and revoke them; if one is none, write orch:allow-secret on its line or its path into .secretsignore"
  exit 1
fi
count=$(tr -cd '\0' <"$scratch/files" | wc -c | tr -d ' ')
ran="our own patterns over $count files ($allowed places allowed by .secretsignore; the history of git is not in it)"
if [ -d .git ] && has gitleaks; then run "$tool" detect --no-banner --redact; fi
finish
