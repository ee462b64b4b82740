# The project's list of obligations is worked off: every line is ticked, and every file it names is there.
gate=compliance-list
own compliance-list compliance

list_file=''
for file in docs/compliance.md compliance.md COMPLIANCE.md docs/COMPLIANCE.md .github/compliance.md; do
  if [ -f "$file" ]; then list_file=$file; break; fi
done
if [ -z "$list_file" ]; then
  find_kinds
  [ -n "$kinds" ] || finish "no source files"
  lack "the obligations of this project" "checks/compliance-list.sh, docs/compliance.md, compliance.md" \
    "Write docs/compliance.md: one line \`- [x] OBLIGATION: \`path/of/the/evidence\`\` for each."
  finish
fi

grep -nE '^[[:space:]]*[-*+] \[[ xX]\] ' "$list_file" >"$scratch/items" || [ "$?" -eq 1 ] || broken grep
grep -nE '^[[:space:]]*[-*+] \[ \] ' "$list_file" >"$scratch/open" || [ "$?" -eq 1 ] || broken grep
settle
sed -n 's/^\([0-9]*\):[[:space:]]*[-*+] \[[xX]\] .*`\([^`]*\)`.*$/\1 \2/p' "$scratch/items" |
  while read -r line path; do
    case $path in *[\ \*]* | -*) continue ;; *[./]*) [ -e "${path%%#*}" ] || echo "$list_file:$line: there is no $path" ;; esac
  done >"$scratch/gone"

[ -s "$scratch/items" ] || { echo "$gate: $list_file has no line of the form \`- [x] OBLIGATION\`"; exit 1; }
if [ -s "$scratch/open" ] || [ -s "$scratch/gone" ]; then
  head -n 50 "$scratch/open" | sed "s|^|$list_file:|"
  head -n 50 "$scratch/gone"
  echo "$gate: $(wc -l <"$scratch/open" | tr -d ' ') obligations are open, $(wc -l <"$scratch/gone" | tr -d ' ') name evidence that is not there"
  exit 1
fi
ran="all $(wc -l <"$scratch/items" | tr -d ' ') obligations of $list_file are ticked, and the files they name are there"
finish
