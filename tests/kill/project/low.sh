# A disk that a step fills down to the floor: what runs ends well, nothing more begins, and the run goes on later.
set -u
mkdir -p .orch/state
mount -t tmpfs -o size=10m tmpfs .orch/state || exit 1
export ORCH_LIMITS_DISK_FLOOR=5000000
"$ORCH" run fills --json >low.json 2>low.err
echo $? >low.code
"$ORCH" resume >again.out 2>again.err
echo $? >again.code
rm .orch/state/filler
"$ORCH" resume --json >more.json 2>more.err
echo $? >more.code
