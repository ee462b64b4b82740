# A page loads in time: by Lighthouse CI where the project has set it up, else the time to fetch the page itself.
# ORCH_INPUT_URL is the page, ORCH_INPUT_LOAD_MS the bound in milliseconds; else 2,000.
gate=load-time
bound_ms load_ms "${ORCH_INPUT_LOAD_MS:-}" 2000

own load-time
if any 'lighthouserc*' '.lighthouserc*' && has lhci; then run "$tool" autorun; finish; fi
if has_script load-time lighthouse; then run_script "$script"; finish; fi
[ -n "${ORCH_INPUT_URL:-}" ] || is_web || finish "no page: no HTML, no package.json with a web framework"
need_url "this web project" "checks/load-time.sh, lighthouserc with lhci, the package.json script load-time" "serve the page there"

measure_url 5 3
judge_time "the middle of 5 fetches of $ORCH_INPUT_URL with curl took $took ms, at most $max are allowed; no scripts are run and no images loaded"
