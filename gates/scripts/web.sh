# What the gates about pages and services share.

web_packages='react vue svelte next nuxt @angular/core astro gatsby preact solid-js lit @sveltejs/kit vite'

# shellcheck disable=SC2086 # The list is meant as words.
is_web() { any '*.html' '*.htm' '*.jsx' '*.tsx' '*.vue' '*.svelte' || has_package $web_packages; }

is_service() {
  has_package express fastify koa hapi @nestjs/core hono ||
    grep -qsE '^(axum|actix-web|rocket|warp|hyper|poem|tide)([^a-z-]|$)' Cargo.toml ||
    grep -qsiE '(flask|django|fastapi|starlette|aiohttp|tornado|sanic)' requirements.txt pyproject.toml ||
    grep -qsE '(gin-gonic|labstack/echo|gofiber|go-chi)' go.mod ||
    grep -qsE '(spring-boot|quarkus|micronaut|ktor)' pom.xml build.gradle build.gradle.kts
}

# The bound in milliseconds, in `max`: the input's NAME and VALUE, or else DEFAULT.
bound_ms() {
  max=${2:-$3}
  case $max in '' | *[!0-9]*) echo "$gate: the input $1 is no whole number: $max"; exit 127 ;; esac
}

# Whether $ORCH_INPUT_URL can be asked; else the gate ends here: WHAT, TOOLS, HOW it gets there.
need_url() {
  [ -z "${ORCH_INPUT_URL:-}" ] || ! has curl || return 0
  lack "$1" "$2, curl with the workflow's input url" "Give the workflow an input \`url\` and $3 in a step before."
  finish
}

# Asks $ORCH_INPUT_URL so many times; `took` is the time of that PLACE among them, sorted, in whole milliseconds.
measure_url() {
  left=$1
  : >"$scratch/times"
  while [ "$left" -gt 0 ]; do
    seconds=$(curl --silent --show-error --fail --location --max-time 30 --output /dev/null --write-out '%{time_total}' -- "$ORCH_INPUT_URL") ||
      { echo "$gate: no verdict: $ORCH_INPUT_URL did not answer with success"; exit 127; }
    echo "$seconds" | awk '{ sub(/,/, "."); printf "%d\n", $1 * 1000 + 0.5 }' >>"$scratch/times"
    left=$((left - 1))
  done
  took=$(sort -n "$scratch/times" | sed -n "$2p")
}

# Ends the gate by whether `took` is within the bound: TEXT.
judge_time() {
  ran=$1
  [ "$took" -le "$max" ] || { echo "$gate: $ran"; exit 1; }
  finish
}

# The tags of all HTML files, one a line: file, line, the tag in one line, the text after it. Not of scripts and comments.
html_tags() {
  any '*.html' '*.htm' || return 0
  list '*.html' '*.htm' | LC_ALL=C xargs -0 awk '
    # The text is cut at each `<`. What stands between a hiding tag and its end gives no tags.
    function tags(parts, count, i, part, end, hidden, line, tag, after) {
      count = split(text, parts, /[<]/)
      line = 1 + gsub(/\n/, "\n", parts[1])
      hidden = ""
      for (i = 2; i <= count; i++) {
        part = tag = parts[i]
        if (hidden != "") {
          if (index(tolower(part), hidden) > 0) hidden = ""
        } else if (substr(part, 1, 3) == "!--") {
          if (index(part, "-->") == 0) hidden = "-->"
        } else {
          end = index(tag, ">")
          after = end ? substr(tag, end + 1) : ""
          if (end) tag = substr(tag, 1, end - 1)
          gsub(/[ \t\r\n]+/, " ", tag); gsub(/[ \t\r\n]+/, " ", after)
          printf "%s\t%d\t%s\t%s\n", file, line, tag, after
          if (tolower(tag) ~ /^script( |$)/) hidden = "/script"
          if (tolower(tag) ~ /^style( |$)/) hidden = "/style"
        }
        line += gsub(/\n/, "\n", part)
      }
      text = ""
    }
    FNR == 1 { if (file != "") tags(); file = FILENAME }
    { text = text $0 "\n" }
    END { if (file != "") tags() }' || broken awk
}

# For awk: the value of an attribute (`\001` where it is absent) and the name of a tag.
attributes='
  function attribute(tag, wanted, value) {
    if (!match(tolower(tag) " ", "[ \"\047]" wanted "[ =/]")) return "\001"
    value = substr(tag, RSTART + 1 + length(wanted))
    if (value !~ /^ *=/) return ""
    sub(/^ *= */, "", value)
    if (value ~ /^"/) { value = substr(value, 2); sub(/".*/, "", value) }
    else if (value ~ /^\047/) { value = substr(value, 2); sub(/\047.*/, "", value) }
    else sub(/[ >].*/, "", value)
    return value
  }
  function has(tag, wanted) { return attribute(tag, wanted) != "\001" }
  # `br/` is a br, `/br` is the end of one.
  function named(tag, name) { name = tolower(tag); sub(/ .*/, "", name); if (name !~ /^\//) sub(/\/.*/, "", name); return name }
  function fault(words) { print $1 ":" $2 ": " words }
'

# Reports the lines of a file as faults and ends, if there are any: FILE, WHAT.
complain() {
  settle
  [ -s "$1" ] || return 0
  sort -u "$1" | head -n 50
  echo "$gate: $(sort -u "$1" | wc -l | tr -d ' ') faults: $2"
  exit 1
}

# Components become HTML only when they run, so a linter that knows them must look, or a browser: PLUGINS.
judge_components() {
  any '*.jsx' '*.tsx' '*.vue' '*.svelte' || return 0
  # shellcheck disable=SC2086 # The list is meant as words.
  if has_package $1 && has eslint; then run "$tool" --max-warnings 0 .
  elif any '.pa11yci*' && has pa11y-ci; then run "$tool"
  elif [ -n "${ORCH_INPUT_URL:-}" ] && has axe; then run "$tool" "$ORCH_INPUT_URL" --tags wcag2a,wcag2aa,wcag21a,wcag21aa --exit
  else lack "components (*.jsx, *.tsx, *.vue, *.svelte)" "eslint with one of: $1; .pa11yci with pa11y-ci; axe with the workflow's input url" \
    "Run \`npm install --save-dev ${1%% *}\` and name it in eslint's settings."
  fi
}

# The rules of all style sheets and <style> elements, one a line: file, line, selector, declarations.
css_rules() {
  any '*.css' '*.scss' '*.less' '*.html' '*.htm' '*.vue' '*.svelte' || return 0
  list '*.css' '*.scss' '*.less' '*.html' '*.htm' '*.vue' '*.svelte' | LC_ALL=C xargs -0 awk '
    function rules(parts, count, i, cut, selector, declarations, line, start) {
      count = split(text, parts, /[}]/)
      line = 1
      for (i = 1; i <= count; i++) {
        # Behind the last `{` are declarations, before it the selector, and before that what is around both.
        start = line
        line += gsub(/\n/, "\n", parts[i])
        cut = match(parts[i], /\{[^{]*$/)
        if (!cut) continue
        selector = substr(parts[i], 1, cut - 1)
        start += gsub(/\n/, "\n", selector)
        sub(/^.*[{;]/, "", selector)
        declarations = substr(parts[i], cut + 1)
        gsub(/[ \t\r\n]+/, " ", selector); gsub(/[ \t\r\n]+/, " ", declarations)
        gsub(/^ +| +$/, "", selector)
        printf "%s\t%d\t%s\t%s\n", file, start, selector, declarations
      }
      text = ""
    }
    FNR == 1 { if (file != "") rules(); file = FILENAME; inside = file !~ /\.(html?|vue|svelte)$/; comment = 0 }
    {
      # Of pages only the text of <style> counts; the lines of all else stay as empty ones.
      line = $0
      if (file ~ /\.(html?|vue|svelte)$/) {
        if (!inside && match(tolower(line), /<style[^>]*>/)) { inside = 1; line = substr(line, RSTART + RLENGTH) }
        else if (!inside) line = ""
        if (inside && match(tolower(line), /<\/style/)) { inside = 0; line = substr(line, 1, RSTART - 1) }
      }
      while (comment || match(line, /\/\*/)) {
        if (comment) {
          if (!(end = index(line, "*/"))) { line = ""; break }
          line = substr(line, end + 2); comment = 0
        } else {
          before = substr(line, 1, RSTART - 1)
          rest = substr(line, RSTART + 2)
          if (end = index(rest, "*/")) line = before " " substr(rest, end + 2)
          else { line = before; comment = 1; break }
        }
      }
      text = text line "\n"
    }
    END { if (file != "") rules() }' || broken awk
}
