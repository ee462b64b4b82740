# build.sh VERSION: builds it; the last line of the output is the path of the artifact.
set -eu
cd "$(dirname "$0")/.."
cargo build -q --release --offline
mkdir -p "dist/$1"
cp target/release/greeter "dist/$1/greeter"
echo "dist/$1/greeter"
