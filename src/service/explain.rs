//! The long words: stories of error codes, and the schemas of everything that people and programs exchange.

use crate::{
    base::{
        codes::{self, CodeInfo},
        did_you_mean,
    },
    service::refusal::Refusal,
};

/// The schemas built into the binary: name and text.
pub const SCHEMAS: &[(&str, &str)] = &[
    ("agent", include_str!("../../schemas/agent.schema.json")),
    ("cases", include_str!("../../schemas/cases.schema.json")),
    ("command", include_str!("../../schemas/command.schema.json")),
    ("config", include_str!("../../schemas/config.schema.json")),
    ("cost", include_str!("../../schemas/cost.schema.json")),
    ("dev", include_str!("../../schemas/dev.schema.json")),
    ("event", include_str!("../../schemas/event.schema.json")),
    ("gate", include_str!("../../schemas/gate.schema.json")),
    ("list", include_str!("../../schemas/list.schema.json")),
    ("order", include_str!("../../schemas/order.schema.json")),
    ("policy", include_str!("../../schemas/policy.schema.json")),
    ("recording", include_str!("../../schemas/recording.schema.json")),
    ("replay", include_str!("../../schemas/replay.schema.json")),
    ("result", include_str!("../../schemas/result.schema.json")),
    ("runs", include_str!("../../schemas/runs.schema.json")),
    ("skill", include_str!("../../schemas/skill.schema.json")),
    ("status", include_str!("../../schemas/status.schema.json")),
    ("workflow", include_str!("../../schemas/workflow.schema.json")),
];

/// The story of a code.
///
/// # Errors
/// When there is no such code.
pub fn explain(code: &str) -> Result<&'static CodeInfo, Refusal> {
    codes::find(code).ok_or_else(|| {
        let wanted = code.trim().to_uppercase();
        let help = match did_you_mean(&wanted, codes::all().map(|info| info.code.0)) {
            Some(near) => format!("did you mean `{near}`? `orch explain` lists all codes"),
            None => "`orch explain` lists all codes".to_owned(),
        };
        Refusal::new(11, "E0513", format!("there is no code `{code}`"), help)
    })
}

/// The text of a schema.
///
/// # Errors
/// When there is no such schema.
pub fn schema(name: &str) -> Result<&'static str, Refusal> {
    SCHEMAS.iter().find(|(other, _)| *other == name).map(|(_, text)| *text).ok_or_else(|| {
        let names: Vec<_> = SCHEMAS.iter().map(|(name, _)| *name).collect();
        let help = match did_you_mean(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", names.join(", ")),
        };
        Refusal::new(11, "E0514", format!("there is no schema `{name}`"), help)
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_schema_file_is_built_in_and_is_a_schema() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".schema.json", ""))
            .collect();
        files.sort();
        assert_eq!(files, SCHEMAS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        for (name, text) in SCHEMAS {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            assert!(crate::base::schema_faults(&value, &serde_json::Value::Null).is_ok(), "{name}");
        }
    }
}
