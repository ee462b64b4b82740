//! What the language has and this version cannot do: read, type-checked, then one error each.
//!
//! The one table. A test compares it with `"x-unsupported": true` in `schemas/workflow.schema.json`.

/// One part of the language.
#[derive(Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "the test that compares the table with the schema reads the place"))]
pub(super) struct Unsupported {
    /// The definition of the JSON Schema that it stands in.
    pub table: &'static str,
    /// Its key.
    pub key: &'static str,
    /// The value, where only one value of the key is meant.
    pub value: Option<&'static str>,
    /// How messages call it.
    pub shown: &'static str,
    /// What to do today.
    pub instead: &'static str,
}

macro_rules! unsupported {
    ($($(#[$doc:meta])* $id:ident $table:literal $key:literal $value:expr, $shown:literal, $instead:literal;)*) => {
        $($(#[$doc])* pub(super) static $id: Unsupported =
            Unsupported { table: $table, key: $key, value: $value, shown: $shown, instead: $instead };)*

        /// All of them, in the order of the tables.
        #[cfg(test)]
        pub(super) static ALL: &[&Unsupported] = &[$(&$id),*];
    };
}

unsupported! {
    /// The manager-and-workers pattern.
    PLAN "step" "plan" None, "`plan:`",
        "let an agent step list the tasks in its `output:` and run them with `each:`";
}
