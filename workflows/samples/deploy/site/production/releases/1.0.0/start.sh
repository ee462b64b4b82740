# Version 1.0.0: a script, from before the program was written in Rust.
case "$1" in
  --health) echo "ok 1.0.0" ;;
  *) echo "Hello, $1" ;;
esac
