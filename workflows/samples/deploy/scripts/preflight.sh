# preflight.sh VERSION: is the project ready to be deployed as VERSION?
cd "$(dirname "$0")/.."
faults=0
fault() {
  echo "preflight: $1"
  faults=$((faults + 1))
}
grep -qx "version = \"$1\"" Cargo.toml || fault "Cargo.toml does not say version $1"
for env in staging production; do
  for key in greeting language; do
    grep -q "^$key=." "config/$env.conf" || fault "config/$env.conf does not set $key, which $1 needs"
  done
done
test "$faults" -eq 0
