# A store on a small disk of its own, which fills up while a run goes on. SIZE is the disk; ORCH is the program.
set -u
mkdir -p .orch/state
mount -t tmpfs -o size="$SIZE" tmpfs .orch/state || exit 1
"$ORCH" run durable -i mark=601.5 --json --on-approval approve --parallel 6 >full.json 2>full.err
echo $? >full.code
mount -o remount,size=50m .orch/state || exit 1
run=$("$ORCH" runs --json | sed -n 's/.*"id": *"\([a-z0-9]*\)".*/\1/p' | head -1)
[ -n "$run" ] || exit 0
for try in 1 2 3 4 5 6 7 8 9 10; do
  step=$("$ORCH" status "$run" --json | grep -A1 '"kind": "outcome"' | sed -n 's/.*"step": *"\(.*\)".*/\1/p' | head -1)
  if [ -n "$step" ]; then
    "$ORCH" resume "$run" --step "$step" --as retry --on-approval approve --json >>more.json 2>more.err
  else
    "$ORCH" resume "$run" --on-approval approve --json >>more.json 2>more.err
  fi
  code=$?
  echo $code >more.code
  [ $code = 30 ] || break
done
"$ORCH" watch "$run" --json >told.json
