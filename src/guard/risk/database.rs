//! Texts for databases: looked through for what destroys. Knows no schema, and reads no file.

use std::ops::Range;

use super::judge::{Io, Judge, Stdin};
use crate::definition::policy::{Level, RiskClass};

/// Programs that take texts for a database.
const DATABASES: &[&str] = &[
    "psql",
    "mysql",
    "mariadb",
    "sqlite3",
    "sqlite",
    "mongosh",
    "mongo",
    "duckdb",
    "clickhouse-client",
    "cqlsh",
    "sqlcmd",
    "usql",
    "pgcli",
    "mycli",
    "litecli",
    "cockroach",
    "sqlplus",
    "isql",
    "bq",
    "influx",
    "turso",
    "wrangler",
    "snowsql",
    "presto",
    "trino",
    "hive",
    "beeline",
    "athena",
    "redis-cli",
    "valkey-cli",
    "surreal",
    "neo4j",
    "cypher-shell",
    "supabase",
    "neonctl",
    "pscale",
    "fly",
    "heroku",
    "prisma",
    "rails",
    "db2",
    "vsql",
    "psql.bin",
    "docker",
    "kubectl",
];

impl Judge<'_> {
    /// Programs that take texts for a database; whether this is one.
    pub fn data(&mut self, name: &str, args: &[String], io: &Io) -> bool {
        if !DATABASES.contains(&name) {
            return false;
        }
        for text in args {
            self.sql(text, &io.span);
            if [".sql", ".js", ".cypher", ".lua", ".py", ".rb"].iter().any(|end| text.ends_with(end)) {
                self.destroying_file(text, &io.span);
            }
        }
        if let Stdin::Text(text) = &io.stdin {
            let text = text.clone();
            self.sql(&text, &io.span);
        }
        let is_only_data =
            !["docker", "kubectl", "wrangler", "supabase", "fly", "heroku", "prisma", "rails"].contains(&name);
        if is_only_data {
            self.find(
                Level::L2,
                RiskClass::Execute,
                "runs",
                format!("speaks to a database with `{name}`"),
                "",
                &io.span,
            );
        }
        is_only_data
    }

    pub fn sql(&mut self, text: &str, span: &Range<usize>) {
        let text: String = text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
        let text = without_comments(&text);
        let is_whole = |start: &str| {
            text.match_indices(start).any(|(at, _)| {
                let statement = text[at..].split(';').next().unwrap_or("");
                !statement.contains(" where ")
                    || statement.contains("where 1=1")
                    || statement.contains("where true")
                    || statement.contains("where 1 = 1")
                    || statement.contains("where 1")
            })
        };
        // `alter table t drop c` names a column without the word for it.
        let alters = text.split(';').any(|one| one.trim_start().starts_with("alter ") && one.contains(" drop "));
        if alters || DESTROYS.iter().any(|word| text.contains(word)) || is_whole("delete from ") {
            let why = "destroys tables or all of their rows";
            self.find(
                Level::L3,
                RiskClass::Database,
                "sql-destroy",
                why,
                "work on a copy, and let a person do it",
                span,
            );
        } else if text.contains("update ") && text.contains(" set ") && is_whole("update ") {
            let why = "changes every row of a table";
            self.find(Level::L3, RiskClass::Database, "sql-update-all", why, "name the rows with `where`", span);
        }
        if text.contains("to program ")
            || text.contains("from program ")
            || text.contains("xp_cmdshell")
            || text.contains("into outfile")
            || text.starts_with("\\!")
            || text.contains(" \\! ")
            || text.contains("lo_export")
            || text.contains("load_extension")
            || [".shell ", ".system ", ".sh "].iter().any(|dot| text.starts_with(dot))
        {
            let why = "runs commands or writes files through the database";
            self.find(Level::L3, RiskClass::Execute, "sql-program", why, "run the command itself", span);
        }
        if text.contains("grant all")
            || text.contains("alter role")
            || text.contains("superuser")
            || text.contains("alter user")
            || text.contains("set password")
            || text.starts_with("revoke ")
        {
            let why = "changes rights in the database";
            self.find(Level::L3, RiskClass::Privilege, "sql-rights", why, "let a person do it", span);
        }
    }
}

/// Words of statements that destroy.
const DESTROYS: &[&str] = &[
    "drop table",
    "drop database",
    "drop schema",
    "drop user",
    "drop role",
    "drop owned",
    "drop column",
    "drop view",
    "drop index",
    "drop collection",
    "drop keyspace",
    "truncate ",
    "dropdatabase",
    ".drop(",
    "deletemany({})",
    "remove({})",
    "flushall",
    "flushdb",
    "drop materialized",
    "drop extension",
    "drop type",
    "drop function",
    "drop procedure",
    "drop trigger",
    "drop sequence",
    "drop constraint",
    "drop policy",
    "drop domain",
    "drop server",
    "drop subscription",
    "drop event",
    "drop login",
    "drop partition",
    "drop primary",
    "drop foreign",
    "drop measurement",
    "drop series",
    "drop shard",
    "drop retention",
    "drop stage",
    "drop warehouse",
    "drop stream",
    "drop dictionary",
    "drop if exists",
    "drop graph",
    "drop namespace",
    "drop global",
    "drop local",
    "remove table",
    "remove database",
    "remove namespace",
    ".restore ",
    "pg_terminate_backend",
    "pg_drop_",
    "lo_unlink",
    ".deletemany(",
    ".remove({",
    ".dropindex",
    ".dropuser",
    ".dropall",
    "db.shutdownserver",
    "delete where",
    "detach delete",
    "drop tablespace",
    "drop publication",
    "reset master",
    "purge binary",
];

fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("/*") {
        out.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
        if !out.ends_with(' ') && !rest.starts_with(' ') {
            out.push(' ');
        }
    }
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}
