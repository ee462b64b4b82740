# health.sh ENV: is ENV as a whole healthy at this moment? The errors that users saw stand in a file.
set -eu
cd "$(dirname "$0")/.."
errors=0
if [ -f "site/$1/errors" ]; then
  errors=$(wc -l < "site/$1/errors")
fi
echo "$1: errors $((errors))"
test "$errors" -le 3
