# Nothing in the pages takes the keyboard away, as far as HTML and CSS files show it.
gate=keyboard

own keyboard
if has_script keyboard test:keyboard; then run_script "$script"; finish; fi
is_web || finish "no page: no HTML, no components, no package.json with a web framework"
judge_components 'eslint-plugin-jsx-a11y eslint-plugin-vuejs-accessibility'

: >"$scratch/faults"
if any '*.html' '*.htm'; then
  html_tags | LC_ALL=C awk -F '\t' "$attributes"'
    { name = named($3) }
    name ~ /^\// { next }
    attribute($3, "tabindex") ~ /^ *\+?[1-9]/ { fault("a tabindex over 0 changes the order of the page (2.4.3)") }
    has($3, "onclick") && name !~ /^(a|button|input|select|textarea|summary|option|label|area|body|form)$/ {
      if (!has($3, "tabindex")) fault("<" name "> takes clicks, but the keyboard cannot reach it: no tabindex (2.1.1)")
      else if (!has($3, "role")) fault("<" name "> takes clicks, but has no role (4.1.2)")
      else if (!has($3, "onkeydown") && !has($3, "onkeyup") && !has($3, "onkeypress")) fault("<" name "> takes clicks, but no keys (2.1.1)")
    }
    name == "a" && has($3, "onclick") && !has($3, "href") && !has($3, "tabindex") { fault("<a> without href takes clicks, but the keyboard cannot reach it (2.1.1)") }
    name ~ /^(a|button|input|select|textarea)$/ && attribute($3, "tabindex") ~ /^ *-/ && attribute($3, "aria-hidden") != "true" {
      fault("<" name "> is taken out of the order of the keyboard (2.1.1)")
    }
    has($3, "accesskey") { fault("an accesskey collides with the keys of browsers and readers (2.1.4)") }
    ' >>"$scratch/faults" || broken awk
  ran="${ran:+$ran; }our own look at the HTML files (handlers that scripts add are not seen)"
fi
if any '*.css' '*.scss' '*.less' '*.html' '*.htm' '*.vue' '*.svelte'; then
  css_rules | LC_ALL=C awk -F '\t' '
    # A rule may remove the outline of what has the focus only if it shows the focus otherwise.
    tolower($3) ~ /:focus([^-a-z]|$)|:focus-visible/ || $3 ~ /^ *\*[ ,]*$/ || tolower($3) ~ /(^|[ ,])(a|button|input|select|textarea)[ ,]*$/ {
      text = ";" tolower($4) ";"
      gsub(/[ \t]+/, "", text)
      if (text ~ /;outline(-style|-width)?:(none|0|0px|transparent)(!important)?;/ &&
          text !~ /;(box-shadow|border|border-[a-z-]+|background|background-color|text-decoration|outline-offset):/)
        print $1 ":" $2 ": the focus is made invisible: outline without a replacement (2.4.7)"
    }' >>"$scratch/faults" || broken awk
  ran="${ran:+$ran; }our own look at the style sheets"
fi
complain "$scratch/faults" "WCAG 2.1, keyboard"
[ -n "$ran$lacking" ] || lack "this web project" "*.html, *.css, components, the package.json script keyboard" "Write checks/$gate.sh."
finish
