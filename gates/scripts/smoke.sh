# What was deployed answers: the project's own smoke test is content.
# ORCH_INPUT_SMOKE, where the workflow has such an input, is an address to fetch or a script of the project.
gate=smoke

own smoke smoke-test
if [ -f scripts/smoke.sh ]; then run sh scripts/smoke.sh; finish; fi
if has_script smoke test:smoke; then run_script "$script"; finish; fi
case ${ORCH_INPUT_SMOKE:-} in
  '') lack "what was deployed" "checks/smoke.sh, a target smoke of make or just, scripts/smoke.sh, the package.json script smoke, the workflow's input smoke" \
    "Write checks/smoke.sh: it uses what was deployed and exits with 0 if that answers." ;;
  http://* | https://*)
    if has curl; then run curl --silent --show-error --fail --location --max-time 30 --output /dev/null -- "$ORCH_INPUT_SMOKE"
    else lack "$ORCH_INPUT_SMOKE" curl "Install curl."
    fi ;;
  /* | -* | *..*) echo "$gate: no verdict: the input smoke is neither an address nor a path inside the project"; exit 127 ;;
  *)
    [ -f "$ORCH_INPUT_SMOKE" ] || { echo "$gate: no verdict: there is no file $ORCH_INPUT_SMOKE"; exit 127; }
    run sh "./$ORCH_INPUT_SMOKE" ;;
esac
finish
