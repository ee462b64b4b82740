//! The names a text may use: statements, filters, tests and functions. Everything else is refused when it is parsed.

/// Statements that may stand after `{%`.
pub(super) const STATEMENTS: &[&str] =
    &["if", "elif", "else", "endif", "for", "endfor", "set", "endset", "with", "endwith", "filter", "endfilter"];

/// Filters, with the few aliases people know from Jinja.
pub(super) const FILTERS: &[&str] = &[
    "abs",
    "capitalize",
    "count",
    "d",
    "default",
    "first",
    "float",
    "indent",
    "int",
    "items",
    "join",
    "keys",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "values",
    "words",
];

/// Tests, the words after `is` and the names that `select` takes.
pub(super) const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "null",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];

/// Functions, the only names that may stand before `(`.
pub(super) const FUNCTIONS: &[&str] = &["namespace", "range"];

/// Words of the language that may stand before `(` without being called.
pub(super) const KEYWORDS: &[&str] =
    &["and", "elif", "else", "for", "if", "in", "is", "not", "or", "recursive", "set", "with"];
