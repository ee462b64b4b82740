# There is a design, and it says whether it can be built and what may go wrong.
gate=design-gate

own design-gate
file=''
for place in docs/design.md docs/architecture.md DESIGN.md ARCHITECTURE.md design.md docs/DESIGN.md docs/ARCHITECTURE.md; do
  if [ -f "$place" ]; then file=$place; break; fi
done
if [ -z "$file" ]; then
  echo "$gate: there is no design: looked for docs/design.md, docs/architecture.md, DESIGN.md, ARCHITECTURE.md"
  exit 1
fi

# A heading with that word, with words below it; or a line that begins with the word and a colon.
says() {
  LC_ALL=C awk -v wanted="$1" '
    { line = tolower($0) }
    /^#/ { below = line ~ wanted; next }
    line ~ "^[-* ]*(" wanted ")[a-z]*[*]*:.*[a-z]" { found = 1 }
    below && line ~ /[a-z][a-z]/ { found = 1 }
    END { exit !found }' "$file"
}
says feasib || { echo "$gate: $file does not say whether it can be built: write a heading \`Feasibility\` and what speaks for and against it"; exit 1; }
says risk || { echo "$gate: $file names no risks: write a heading \`Risks\` and what is done about each"; exit 1; }
ran="$file is there and speaks of feasibility and risks"
finish
