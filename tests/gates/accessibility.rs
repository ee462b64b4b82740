//! wcag, keyboard, contrast.

use crate::world::World;

const PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<head><title>A page</title></head>\n<body>\n\
    <h1>One</h1>\n<h2>Two</h2>\n<img src=\"a.png\" alt=\"\">\n<label>Name <input name=\"a\"></label>\n\
    <label for=\"b\">Age</label><input id=\"b\">\n<a href=\"/\">Home</a>\n<button aria-label=\"Close\"><svg></svg></button>\n\
    <!-- <img src=\"b.png\"> --><script>if (1 < 2) document.write('<img src=c.png>')</script>\n</body>\n</html>\n";

#[test]
fn a_project_without_pages_has_nothing_to_see() {
    for gate in ["wcag", "keyboard", "contrast"] {
        let words =
            format!("{gate}: not applicable: no page: no HTML, no components, no package.json with a web framework");
        World::rust("").passes(gate, &words);
    }
}

#[test]
fn components_need_a_tool_that_knows_them() {
    let world = World::new().file("package.json", "{}").file("a.jsx", "export default () => <img src='a'/>\n");
    for gate in ["wcag", "keyboard"] {
        world.errs(gate, "no verdict on components (*.jsx, *.tsx, *.vue, *.svelte)");
        world.errs(gate, "Run `npm install --save-dev eslint-plugin-jsx-a11y` and name it in eslint's settings.");
    }
    world.errs("contrast", "no verdict on these colours");
    // eslint is no part of this repository's tools.
    let world = world.file("package.json", "{\"devDependencies\": {\"eslint-plugin-jsx-a11y\": \"6\"}}");
    let world = world.fake("eslint", "grep -q alt a.jsx");
    world.fails("wcag", "`eslint --max-warnings 0 .` ended with exit code 1");
    world
        .file("a.jsx", "export default () => <img alt='' src='a'/>\n")
        .passes("wcag", "ran: eslint --max-warnings 0 .");
}

#[test]
fn a_good_page_passes() {
    let world = World::new().file("docs/index.html", PAGE);
    world.passes("wcag", "our own look at the HTML files");
    world.passes("keyboard", "(handlers that scripts add are not seen); our own look at the style sheets");
    world.passes("contrast", "contrast: not applicable: the style sheets set no colours");
}

#[test]
fn each_fault_of_a_page_is_named_with_its_line_and_criterion() {
    let fault = |find: &str, replace: &str, words: &str| {
        assert!(PAGE.contains(find), "{find}");
        World::new().file("a.html", &PAGE.replace(find, replace)).fails("wcag", words);
    };
    fault(" alt=\"\"", "", "./a.html:7: <img> without alt (1.1.1)");
    fault(" lang=\"en\"", "", "./a.html:2: <html> without lang (3.1.1)");
    fault(" lang=\"en\"", " lang=''", "./a.html:2: <html> without lang (3.1.1)");
    fault("A page", " ", "./a.html: the page has no title (2.4.2)");
    fault("for=\"b\"", "for=\"c\"", "./a.html:9: a form field without a label (3.3.2)");
    fault(
        "<label>Name <input name=\"a\"></label>",
        "Name\n<INPUT NAME=a>",
        "./a.html:9: a form field without a label (3.3.2)",
    );
    fault("<h2>Two</h2>", "<h3>Two</h3>", "./a.html:6: <h3> follows <h1>: a level of headings is left out (1.3.1)");
    fault("Home", "<i></i>", "./a.html:10: <a> without words (2.4.4)");
    fault(" aria-label=\"Close\"", "", "./a.html:11: <button> without words (4.1.2)");
    fault("<h1>", "<h1 id=b>", "./a.html:9: the id b is there twice (4.1.1)");
    fault("</head>", "<meta name=viewport content=\"user-scalable=no\"></head>", "the page forbids to zoom (1.4.4)");
    fault("<h1>", "<iframe src=x></iframe><h1>", "<iframe> without title (4.1.2)");
}

#[test]
fn the_keyboard_is_not_taken_away() {
    let fault = |tag: &str, words: &str| {
        World::new().file("a.html", &PAGE.replace("<h1>", &format!("{tag}\n<h1>"))).fails("keyboard", words);
    };
    fault("<p tabindex=\"3\">", "./a.html:5: a tabindex over 0 changes the order of the page (2.4.3)");
    fault(
        "<div onclick=\"go()\">",
        "./a.html:5: <div> takes clicks, but the keyboard cannot reach it: no tabindex (2.1.1)",
    );
    fault("<div\n  tabindex=0\n  onclick='go()'>", "./a.html:5: <div> takes clicks, but has no role (4.1.2)");
    fault("<div role=button tabindex=0 onclick='go()'>", "<div> takes clicks, but no keys (2.1.1)");
    fault("<button tabindex=-1>x</button>", "<button> is taken out of the order of the keyboard (2.1.1)");
    fault("<style>\na:focus { outline: none; }\n</style>", "./a.html:6: the focus is made invisible");
    let good = "<div role=button tabindex=0 onclick='go()' onkeydown='go()'>";
    World::new().file("a.html", &PAGE.replace("<h1>", good)).passes("keyboard", "our own look");
    let css = |text: &str| World::new().file("a.html", PAGE).file("a.css", text);
    css("/* a:focus { outline: 0 } */\nb { color: red }\n").passes("keyboard", "style sheets");
    css("a:focus {\n  outline: 0;\n  box-shadow: 0 0 2px blue;\n}\n").passes("keyboard", "style sheets");
    css("@media print {\n  a:hover {}\n  button:focus {\n    outline: 0 !important;\n  }\n}\n")
        .fails("keyboard", "./a.css:3: the focus is made invisible");
}

#[test]
fn contrast_is_computed_as_wcag_says() {
    let css = |text: &str| World::new().file("index.html", PAGE).file("a.css", text);
    css("p { color: #767676; background: #fff; }")
        .passes("contrast", "our own sum over 1 pairs of colours (0 not known, 0 rules set only one");
    css("p {\n  color: #777;\n  background: white;\n}")
        .fails("contrast", "./a.css:1: p: #777 on white has 4.48, at least 4.5 is asked for (1.4.3)");
    css("h1 { color: #777; background: white; font-size: 24px }").passes("contrast", "1 pairs");
    css("h1 { color: #777; background: white; font-size: 19px; font-weight: 700 }").passes("contrast", "1 pairs");
    css("h1 { color: #777; background: white; font-size: 19px }").fails("contrast", "4.48");
    css("p { color: rgb(0, 0, 0); background-color: #00f }").fails("contrast", "has 2.44");
    css(":root { --ink: #999; }\np { color: var(--ink); background: #fff }").fails("contrast", "#999 on #fff has 2.85");
    css("p { color: black; background: white }\nb { color: oklch(1 0 0); background: white }\ni { color: red }")
        .passes("contrast", "1 pairs of colours (1 not known, 1 rules");
    css("p { color: red }").errs("contrast", "Set both in one rule");
    let page = PAGE.replace("<h1>", "<style>\n  p { color: #ccc; background: #fff }\n</style><h1>");
    World::new().file("a.html", &page).fails("contrast", "./a.html:6: p: #ccc on #fff has 1.61");
}
