# bench.sh LAYER: measures a layer (frontend, backend, database) or `total`; lower is better. The figure counts work and
# not time, so it is the same on every machine and in every run.
set -eu
cd "$(dirname "$0")"
measured=$(cargo run -q --offline --example figures -- "$1")
echo "$measured"
if [ -n "${ORCH_OUTPUT:-}" ]; then
  echo "$measured" > "$ORCH_OUTPUT"
fi
