# A service answers in time: 95 of 100 requests, one after the other, without other load.
# ORCH_INPUT_URL is what is asked, ORCH_INPUT_RESPONSE_MS the bound in milliseconds; else 500.
gate=response-time
bound_ms response_ms "${ORCH_INPUT_RESPONSE_MS:-}" 500

own response-time
if has_script response-time; then run_script response-time; finish; fi
[ -n "${ORCH_INPUT_URL:-}" ] || is_service || finish "no service: no server framework in a manifest"
need_url "this service" "checks/response-time.sh, the package.json script response-time" "start the service there"

measure_url 100 95
judge_time "95 of 100 requests to $ORCH_INPUT_URL with curl took at most $took ms, $max are allowed"
