# Text and background that one CSS rule sets together differ as much as WCAG 2.1 asks for (1.4.3): 4.5, large text 3.
# The formula is that of WCAG 2.1, "relative luminance" and "contrast ratio".
gate=contrast

own contrast
if has_script contrast test:contrast; then run_script "$script"; finish; fi
is_web || finish "no page: no HTML, no components, no package.json with a web framework"
if any '.pa11yci*' && has pa11y-ci; then run "$tool"
elif [ -n "${ORCH_INPUT_URL:-}" ] && has pa11y; then run "$tool" --standard WCAG2AA "$ORCH_INPUT_URL"
elif [ -n "${ORCH_INPUT_URL:-}" ] && has axe; then run "$tool" "$ORCH_INPUT_URL" --rules color-contrast --exit
fi

css_rules >"$scratch/rules"
LC_ALL=C awk -F '\t' '
  function channel(value) { value /= 255; return value <= 0.03928 ? value / 12.92 : exp(2.4 * log((value + 0.055) / 1.055)) }
  function hex(text, i, sum) {
    sum = 0
    for (i = 1; i <= length(text); i++) sum = 16 * sum + index("0123456789abcdef", substr(text, i, 1)) - 1
    return sum
  }
  # The relative luminance of a colour; -1 where it is not known or not opaque.
  function luminance(text, part, i) {
    if (text in names) text = names[text]
    if (text ~ /^#[0-9a-f][0-9a-f][0-9a-f]$/)
      text = "#" substr(text, 2, 1) substr(text, 2, 1) substr(text, 3, 1) substr(text, 3, 1) substr(text, 4, 1) substr(text, 4, 1)
    if (text ~ /^#[0-9a-f]+$/ && length(text) == 7) {
      for (i = 1; i <= 3; i++) part[i] = hex(substr(text, 2 * i, 2))
    } else if (text ~ /^rgb\([0-9., ]+\)$/) {
      gsub(/[^0-9., ]/, "", text); gsub(/,/, " ", text); sub(/^ +/, "", text)
      if (split(text, part, / +/) != 3) return -1
    } else return -1
    return 0.2126 * channel(part[1]) + 0.7152 * channel(part[2]) + 0.0722 * channel(part[3])
  }
  # The last value of a property in a rule, with the custom properties of the project put in.
  function value_of(text, wanted, count, parts, i, name, value, found, turns, inner) {
    count = split(text, parts, ";")
    found = ""
    for (i = 1; i <= count; i++) {
      if (!index(parts[i], ":")) continue
      name = substr(parts[i], 1, index(parts[i], ":") - 1); gsub(/[ \t]/, "", name)
      if (name != wanted) continue
      value = substr(parts[i], index(parts[i], ":") + 1)
      sub(/!important/, "", value); gsub(/^[ \t]+|[ \t]+$/, "", value)
      found = value
    }
    for (turns = 0; turns < 5 && match(found, /^var\(--[a-z0-9_-]+\)$/); turns++) {
      inner = substr(found, 5, length(found) - 5)
      if (!(inner in custom)) break
      found = custom[inner]
    }
    return found
  }
  BEGIN {
    many = split("black #000000 white #ffffff red #ff0000 green #008000 blue #0000ff gray #808080 grey #808080 silver #c0c0c0 yellow #ffff00 " \
      "orange #ffa500 purple #800080 navy #000080 teal #008080 maroon #800000 olive #808000 lime #00ff00 aqua #00ffff cyan #00ffff fuchsia #ff00ff " \
      "magenta #ff00ff lightgray #d3d3d3 lightgrey #d3d3d3 darkgray #a9a9a9 darkgrey #a9a9a9 dimgray #696969 dimgrey #696969 whitesmoke #f5f5f5", list, " ")
    for (i = 1; i < many; i += 2) names[list[i]] = list[i + 1]
  }
  { rule = tolower($4) }
  NR == FNR {
    many = split(rule, list, ";")
    for (i = 1; i <= many; i++) if (match(list[i], /^[ \t]*--[a-z0-9_-]+[ \t]*:/)) {
      name = substr(list[i], 1, RLENGTH - 1); gsub(/[ \t]/, "", name)
      value = substr(list[i], RLENGTH + 1); gsub(/^[ \t]+|[ \t]+$/, "", value)
      # A second value belongs to a theme; then nothing is known.
      if (!(name in custom)) custom[name] = value
      else if (custom[name] != value) custom[name] = "unknown"
    }
    next
  }
  {
    front = value_of(rule, "color")
    back = value_of(rule, "background-color")
    if (back == "") back = value_of(rule, "background")
    if (front != "" || back != "") coloured++
    if (front == "" || back == "") next
    one = luminance(front); two = luminance(back)
    if (one < 0 || two < 0) { unknown++; next }
    judged++
    ratio = one > two ? (one + 0.05) / (two + 0.05) : (two + 0.05) / (one + 0.05)
    size = value_of(rule, "font-size"); weight = value_of(rule, "font-weight")
    points = size ~ /^[0-9.]+px$/ ? size + 0 : size ~ /^[0-9.]+r?em$/ ? 16 * (size + 0) : size ~ /^[0-9.]+pt$/ ? (size + 0) * 4 / 3 : 0
    least = points >= 24 || points >= 18.66 && (weight == "bold" || weight + 0 >= 700) ? 3 : 4.5
    if (ratio < least) printf "%s:%d: %s: %s on %s has %.2f, at least %s is asked for (1.4.3)\n", $1, $2, $3, front, back, ratio, least
  }
  END { printf "%d %d %d\n", judged, unknown, coloured >counts }' counts="$scratch/counts" "$scratch/rules" "$scratch/rules" >"$scratch/faults" || broken awk
complain "$scratch/faults" "contrast of text"
read -r judged unknown coloured <"$scratch/counts"
if [ "$judged" -gt 0 ]; then
  ran="${ran:+$ran; }our own sum over $judged pairs of colours ($unknown not known, $((coloured - judged - unknown)) rules set only one of the two)"
elif [ "$coloured" -gt 0 ] || any '*.jsx' '*.tsx' '*.vue' '*.svelte'; then
  [ -n "$ran" ] || lack "these colours" "a rule that sets color and background together in #hex, rgb() or a common name, pa11y, axe with the workflow's input url" \
    "Set both in one rule, or install pa11y-ci and write .pa11yci."
fi
finish "the style sheets set no colours"
