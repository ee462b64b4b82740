# What a browser loads is not larger than allowed: scripts and styles, packed with gzip.
# ORCH_INPUT_BUNDLE_KB, where the workflow has such an input, is the bound in kB (1,000 bytes); else 300.
gate=bundle-size
max=${ORCH_INPUT_BUNDLE_KB:-300}
case $max in '' | *[!0-9]*) echo "$gate: the input bundle_kb is no whole number: $max"; exit 127 ;; esac

own bundle-size size
if has_package size-limit && has size-limit; then run "$tool"; finish; fi
if has_package bundlesize bundlesize2 && has bundlesize; then run "$tool"; finish; fi
if has_script bundle-size size; then run_script "$script"; finish; fi

folder=''
for place in dist build out public _site www; do
  if [ -d "$place" ] && find "$place" -type f \( -name '*.js' -o -name '*.mjs' -o -name '*.css' \) | grep -q .; then
    folder=$place
    break
  fi
done
if [ -z "$folder" ]; then
  if has_script build && has_package vite webpack rollup parcel esbuild next nuxt react-scripts @angular/cli astro gatsby @sveltejs/kit; then
    lack "the bundle" "dist, build, out, public, _site and www with scripts or styles, size-limit, bundlesize" \
      "Build it in a step before: \`npm run build\`."
  fi
  finish "no bundler in package.json and no built scripts or styles"
fi
bytes=0
find "$folder" -type f \( -name '*.js' -o -name '*.mjs' -o -name '*.css' \) -exec sh -c '
  for file; do printf "%s %s\n" "$(gzip -c <"$file" | wc -c | tr -d " ")" "$file"; done' sh {} + >"$scratch/sizes"
sort -rn "$scratch/sizes" | head -n 10
bytes=$(awk '{ sum += $1 } END { printf "%d", sum }' "$scratch/sizes")
ran="our own sum over $folder: $bytes bytes packed, at most $max kB are allowed"
[ "$bytes" -le $((max * 1000)) ] || { echo "$gate: $ran"; exit 1; }
finish
