# A page loads in time: by Lighthouse CI where the project has set it up, else the time to fetch the page itself.
# ORCH_INPUT_URL is the page, ORCH_INPUT_LOAD_MS the bound in milliseconds; else 2,000.
gate=load-time
max=${ORCH_INPUT_LOAD_MS:-2000}
case $max in '' | *[!0-9]*) echo "$gate: the input load_ms is no whole number: $max"; exit 127 ;; esac

own load-time
if any 'lighthouserc*' '.lighthouserc*' && has lhci; then run "$tool" autorun; finish; fi
if has_script load-time lighthouse; then run_script "$script"; finish; fi
[ -n "${ORCH_INPUT_URL:-}" ] || is_web || finish "no page: no HTML, no package.json with a web framework"
if [ -z "${ORCH_INPUT_URL:-}" ] || ! has curl; then
  lack "this web project" "checks/load-time.sh, lighthouserc with lhci, the package.json script load-time, curl with the workflow's input url" \
    "Give the workflow an input \`url\` and serve the page there in a step before."
  finish
fi

measure_url 5 || { echo "$gate: no verdict: $ORCH_INPUT_URL did not answer with success"; exit 127; }
middle=$(sort -n "$scratch/times" | sed -n 3p)
ran="the middle of 5 fetches of $ORCH_INPUT_URL with curl took $middle ms, at most $max are allowed; no scripts are run and no images loaded"
[ "$middle" -le "$max" ] || { echo "$gate: $ran"; exit 1; }
finish
