# deploy.sh ENV VERSION PERCENT STRATEGY: gives VERSION that share of ENV. 0 installs it without traffic, 100 switches
# the link `live`. Running it again changes nothing.
set -eu
cd "$(dirname "$0")/.."
site=site/$1
release=$site/releases/$2
if ! cmp -s "dist/$2/greeter" "$release/greeter"; then
  rm -rf "$release.new" "$release"
  mkdir -p "$release.new"
  cp "dist/$2/greeter" "$release.new/greeter"
  cp "config/$1.conf" "$release.new/settings.conf"
  cat > "$release.new/start.sh" <<'START'
here=$(dirname "$0")
cat "$here/settings.conf" "$here/../../local.conf" > "$here/all.conf"
exec "$here/greeter" "$here/all.conf" "$@"
START
  mv "$release.new" "$release"
fi
echo "$2 $3" > "$site/share"
if [ "$3" -eq 100 ]; then
  ln -sfn "releases/$2" "$site/live"
fi
echo "$1: $2 has $3 % ($4)"
