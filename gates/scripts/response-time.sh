# A service answers in time: 95 of 100 requests, one after the other, without other load.
# ORCH_INPUT_URL is what is asked, ORCH_INPUT_RESPONSE_MS the bound in milliseconds; else 500.
gate=response-time
max=${ORCH_INPUT_RESPONSE_MS:-500}
case $max in '' | *[!0-9]*) echo "$gate: the input response_ms is no whole number: $max"; exit 127 ;; esac

own response-time
if has_script response-time; then run_script response-time; finish; fi
[ -n "${ORCH_INPUT_URL:-}" ] || is_service || finish "no service: no server framework in a manifest"
if [ -z "${ORCH_INPUT_URL:-}" ] || ! has curl; then
  lack "this service" "checks/response-time.sh, the package.json script response-time, curl with the workflow's input url" \
    "Give the workflow an input \`url\` and start the service there in a step before."
  finish
fi

measure_url 100 || { echo "$gate: no verdict: $ORCH_INPUT_URL did not answer with success"; exit 127; }
p95=$(sort -n "$scratch/times" | sed -n 95p)
ran="95 of 100 requests to $ORCH_INPUT_URL with curl took at most $p95 ms, $max are allowed"
[ "$p95" -le "$max" ] || { echo "$gate: $ran"; exit 1; }
finish
