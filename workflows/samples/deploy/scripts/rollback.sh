# rollback.sh ENV VERSION: makes VERSION live again in ENV; an empty VERSION takes the service down.
set -eu
cd "$(dirname "$0")/.."
rm -f "site/$1/share"
if [ -z "$2" ]; then
  rm -f "site/$1/live" "site/$1/first"
else
  test -d "site/$1/releases/$2"
  ln -sfn "releases/$2" "site/$1/live"
fi
echo "$1: ${2:-nothing} is live again"
