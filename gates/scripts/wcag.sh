# What can be seen of WCAG 2.1 AA without a browser, in HTML files; and the project's own tools for all else.
gate=wcag

own wcag accessibility a11y
if has_script wcag accessibility a11y test:a11y; then run_script "$script"; finish; fi
is_web || finish "no page: no HTML, no components, no package.json with a web framework"
if any '.pa11yci*' && has pa11y-ci; then run "$tool"
elif [ -n "${ORCH_INPUT_URL:-}" ] && has pa11y; then run "$tool" --standard WCAG2AA "$ORCH_INPUT_URL"
elif [ -n "${ORCH_INPUT_URL:-}" ] && has axe; then run "$tool" "$ORCH_INPUT_URL" --tags wcag2a,wcag2aa,wcag21a,wcag21aa --exit
fi
judge_components 'eslint-plugin-jsx-a11y eslint-plugin-vuejs-accessibility'

if any '*.html' '*.htm'; then
  html_tags >"$scratch/tags"
  LC_ALL=C awk -F '\t' "$attributes"'
    # Success criteria: 1.1.1, 1.3.1, 2.4.2, 2.4.4, 3.1.1, 3.3.2, 4.1.1, 4.1.2.
    function close_file() {
      if (whole && !titled) print file ": the page has no title (2.4.2)"
      for (id in wants) if (!((file, id) in labels)) print wants[id] ": a form field without a label (3.3.2)"
      split("", wants)
    }
    function is_named(tag) { return has(tag, "aria-label") || has(tag, "aria-labelledby") || has(tag, "title") }
    NR == FNR { if (named($3) == "label" && has($3, "for")) labels[$1, attribute($3, "for")] = 1; next }
    $1 != file { if (file != "") close_file(); file = $1; whole = titled = level = in_label = 0; split("", ids) }
    { name = named($3) }
    name == "html" { whole = 1; if (attribute($3, "lang") ~ /^(\001| *)$/) fault("<html> without lang (3.1.1)") }
    name == "title" && $4 !~ /^ *$/ { titled = 1 }
    name == "label" { in_label = 1 }
    name == "/label" { in_label = 0 }
    name == "img" && !has($3, "alt") && !is_named($3) && attribute($3, "role") !~ /^(presentation|none)$/ { fault("<img> without alt (1.1.1)") }
    name == "area" && has($3, "href") && !has($3, "alt") && !is_named($3) { fault("<area> without alt (1.1.1)") }
    name == "input" && tolower(attribute($3, "type")) == "image" && !has($3, "alt") && !is_named($3) { fault("an image button without alt (1.1.1)") }
    name == "iframe" && !is_named($3) { fault("<iframe> without title (4.1.2)") }
    name == "meta" && tolower(attribute($3, "name")) == "viewport" && tolower(attribute($3, "content")) ~ /user-scalable *= *(no|0)|maximum-scale *= *1(\.0*)?([^0-9.]|$)/ {
      fault("the page forbids to zoom (1.4.4)")
    }
    name ~ /^(input|select|textarea)$/ && tolower(attribute($3, "type")) !~ /^(hidden|submit|reset|button|image)$/ && !is_named($3) && !in_label {
      id = attribute($3, "id")
      if (id == "\001" || id == "") fault("a form field without a label (3.3.2)")
      else wants[id] = $1 ":" $2
    }
    # A link or button whose end follows at once has no words.
    name ~ /^(a|button)$/ && (name == "button" || has($3, "href")) { open_name = name; open_line = $2; words = is_named($3) ? "x" : "" }
    open_name != "" { words = words $4; if (name == "img" && attribute($3, "alt") !~ /^(\001| *)$/ || name != open_name && is_named($3)) words = "x" }
    open_name != "" && name == "/" open_name {
      words = substr(words, 1, length(words) - length($4))
      if (words ~ /^ *$/) print $1 ":" open_line ": <" open_name "> without words (" (open_name == "a" ? "2.4.4" : "4.1.2") ")"
      open_name = ""
    }
    name ~ /^h[1-6]$/ {
      next_level = substr(name, 2) + 0
      if (level && next_level > level + 1) fault("<" name "> follows <h" level ">: a level of headings is left out (1.3.1)")
      level = next_level
    }
    has($3, "id") { id = attribute($3, "id"); if (id in ids) fault("the id " id " is there twice (4.1.1)"); ids[id] = 1 }
    END { if (file != "") close_file() }' "$scratch/tags" "$scratch/tags" >"$scratch/faults" || broken awk
  complain "$scratch/faults" "WCAG 2.1, as far as HTML files show it"
  ran="${ran:+$ran; }our own look at the HTML files (what a page does when it runs is not seen)"
fi
[ -n "$ran$lacking" ] || lack "this web project" "*.html, components, pa11y-ci, the package.json scripts wcag, accessibility and a11y" \
  "Install pa11y-ci and write .pa11yci."
finish
