# smoke.sh ENV VERSION: does VERSION, as it is installed in ENV, do its work?
set -eu
cd "$(dirname "$0")/.."
start=site/$1/releases/$2/start.sh
test "$(sh "$start" --health)" = "ok $2"
sh "$start" Ada | grep Ada
