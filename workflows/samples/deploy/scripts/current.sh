# current.sh ENV: prints the version that is live in ENV, or nothing.
set -eu
cd "$(dirname "$0")/.."
if [ -L "site/$1/live" ]; then
  basename "$(readlink "site/$1/live")"
elif [ -f "site/$1/first" ]; then
  # What was live before these scripts were there.
  cat "site/$1/first"
fi
