//! What keys of known services look like: one table, for whoever takes keys out of a text and for whoever looks for them.
//!
//! Unaware of both. Invariant: every shape begins with letters of its own, so that a long text is searched fast.

/// How the keys of one service look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// What it is, for people.
    pub kind: &'static str,
    /// A regular expression of one whole key, without groups that capture.
    pub pattern: &'static str,
}

const fn shape(kind: &'static str, pattern: &'static str) -> Shape {
    Shape { kind, pattern }
}

/// All shapes. Where two fit at the same place, the first decides, so the more telling one stands first.
pub const SHAPES: &[Shape] = &[
    shape(
        "private key",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\z)",
    ),
    shape("age key", r"\bAGE-SECRET-KEY-1[0-9A-Z]{50,}"),
    shape("Anthropic key", r"\bsk-ant-[A-Za-z0-9_-]{16,}"),
    shape("OpenRouter key", r"\bsk-or-[A-Za-z0-9_-]{16,}"),
    shape("OpenAI key", r"\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{16,}"),
    // Many services have keys of this form.
    shape("service key", r"\bsk-[A-Za-z0-9_-]{16,}"),
    shape("Groq key", r"\bgsk_[A-Za-z0-9]{30,}"),
    shape("xAI key", r"\bxai-[A-Za-z0-9]{40,}"),
    shape("Perplexity key", r"\bpplx-[A-Za-z0-9]{30,}"),
    shape("Replicate token", r"\br8_[A-Za-z0-9]{30,}"),
    shape("Hugging Face token", r"\bhf_[A-Za-z0-9]{30,}"),
    shape("GitHub token", r"\bgh[oprsu]_[A-Za-z0-9]{20,}"),
    shape("GitHub token", r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
    shape("GitLab token", r"\bgl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|oas|imt)-[A-Za-z0-9_-]{16,}"),
    shape("AWS key", r"\bA(?:KI|SI)A[0-9A-Z]{16}\b"),
    shape("AWS Bedrock key", r"\bABSK[A-Za-z0-9+/]{100,}"),
    shape("Azure storage key", r"\bAccountKey=[A-Za-z0-9+/]{80,}={0,2}"),
    shape("Google key", r"\bAIza[0-9A-Za-z_-]{30,}"),
    shape("Google client secret", r"\bGOCSPX-[A-Za-z0-9_-]{20,}"),
    shape("Google token", r"\bya29\.[A-Za-z0-9_-]{20,}"),
    shape("Slack token", r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}"),
    shape("Slack token", r"\bxapp-[0-9]-[0-9A-Za-z-]{20,}"),
    shape("Slack webhook", r"https://hooks\.slack\.com/services/[A-Za-z0-9/]{30,}"),
    shape("Discord webhook", r"https://discord(?:app)?\.com/api/webhooks/[0-9]{10,}/[A-Za-z0-9_-]{30,}"),
    shape("Stripe key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    shape("webhook secret", r"\bwhsec_[A-Za-z0-9+/]{24,}"),
    shape("npm token", r"\bnpm_[A-Za-z0-9]{36}"),
    shape("PyPI token", r"\bpypi-AgE[A-Za-z0-9_-]{40,}"),
    shape("crates.io token", r"\bcio[A-Za-z0-9]{32}\b"),
    shape("RubyGems key", r"\brubygems_[a-f0-9]{48}"),
    shape("Docker token", r"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"),
    shape("DigitalOcean token", r"\bdo[opr]_v1_[a-f0-9]{64}"),
    shape("SendGrid key", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{30,}"),
    shape("Twilio key", r"\bSK[0-9a-f]{32}\b"),
    shape("Shopify token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    shape("Square token", r"\bsq0[a-z]{3}-[A-Za-z0-9_-]{22,}"),
    shape("Vault token", r"\bhv[bsr]\.[A-Za-z0-9_-]{20,}"),
    shape("Databricks token", r"\bdapi[0-9a-f]{32}"),
    shape("Atlassian token", r"\bATATT3[A-Za-z0-9_=-]{60,}"),
    shape("Linear key", r"\blin_api_[A-Za-z0-9]{30,}"),
    shape("Notion token", r"\bntn_[A-Za-z0-9]{40,}"),
    shape("New Relic key", r"\bNRAK-[A-Z0-9]{27}"),
    shape("Grafana token", r"\bgl(?:sa|c)_[A-Za-z0-9+/=_]{32,}"),
    shape("Sentry token", r"\bsntry[su]_[A-Za-z0-9+/=_]{32,}"),
    shape("Supabase key", r"\bsb(?:p|_secret)_[A-Za-z0-9_]{20,}"),
    shape("PlanetScale key", r"\bpscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.-]{30,}"),
    shape("signed token", r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
];

/// All shapes as one regular expression; with `is_named`, the group of the shape at place N is `N + 1`.
#[must_use]
pub fn any_shape(is_named: bool) -> String {
    let open = if is_named { "(" } else { "(?:" };
    SHAPES.iter().map(|shape| format!("{open}{})", shape.pattern)).collect::<Vec<_>>().join("|")
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    const LONG: &str = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0";
    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// One key of each shape, as its service would make it.
    fn samples() -> Vec<String> {
        let upper = LONG.to_uppercase();
        vec![
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----".to_owned(),
            format!("AGE-SECRET-KEY-1{upper}{upper}"),
            format!("sk-ant-api03-{LONG}"),
            format!("sk-or-v1-{HEX}"),
            format!("sk-proj-{LONG}"),
            format!("sk-{LONG}"),
            format!("gsk_{LONG}"),
            format!("xai-{LONG}{LONG}"),
            format!("pplx-{LONG}"),
            format!("r8_{LONG}"),
            format!("hf_{LONG}"),
            format!("ghp_{LONG}"),
            format!("github_pat_{LONG}"),
            format!("glpat-{LONG}"),
            "AKIAIOSFODNN7EXAMPLE".to_owned(),
            format!("ABSK{LONG}{LONG}{LONG}"),
            format!("AccountKey={LONG}{LONG}=="),
            format!("AIza{LONG}"),
            format!("GOCSPX-{LONG}"),
            format!("ya29.{LONG}"),
            "xoxb-123456789012-abcdef".to_owned(),
            format!("xapp-1-{LONG}"),
            format!("https://hooks.slack.com/services/T01234567/B01234567/{LONG}"),
            format!("https://discord.com/api/webhooks/123456789012/{LONG}"),
            format!("sk_live_{LONG}"),
            format!("whsec_{LONG}"),
            format!("npm_{}", &LONG[..36]),
            format!("pypi-AgE{LONG}"),
            format!("cio{}", &LONG[..32]),
            format!("rubygems_{}", &HEX[..48]),
            format!("dckr_pat_{LONG}"),
            format!("dop_v1_{HEX}"),
            format!("SG.{LONG}.{LONG}"),
            format!("SK{}", &HEX[..32]),
            format!("shpat_{}", &HEX[..32]),
            format!("sq0atp-{LONG}"),
            format!("hvs.{LONG}"),
            format!("dapi{}", &HEX[..32]),
            format!("ATATT3{LONG}{LONG}"),
            format!("lin_api_{LONG}"),
            format!("ntn_{LONG}{LONG}"),
            format!("NRAK-{}", &upper[..27]),
            format!("glsa_{LONG}"),
            format!("sntrys_{LONG}"),
            format!("sbp_{}", &HEX[..40]),
            format!("pscale_tkn_{LONG}"),
            format!("eyJhbGciOiJI.{LONG}.{LONG}"),
        ]
    }

    #[test]
    fn each_shape_finds_its_own_keys_whole() {
        let any = Regex::new(&any_shape(true)).unwrap();
        let samples = samples();
        assert_eq!(samples.len(), SHAPES.len());
        for (place, (shape, sample)) in SHAPES.iter().zip(&samples).enumerate() {
            let text = format!("x = \"{sample}\";");
            let found = any.captures(&text).unwrap_or_else(|| panic!("{}: {sample}", shape.kind));
            assert_eq!(&found[0], sample, "{}", shape.kind);
            assert!(found.get(place + 1).is_some(), "{} is taken for something else", shape.kind);
        }
        assert!(Regex::new(&any_shape(false)).unwrap().is_match(&samples[0]));
    }

    #[test]
    fn words_of_programs_are_no_keys() {
        let any = Regex::new(&any_shape(false)).unwrap();
        for harmless in [
            "sk-short",
            "task-1234567890123456789",
            "ghp_",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----",
            "AKIA",
            "hf_hub_download(repo)",
            "npm_config_cache=/tmp/some/long/folder/of/a/person",
            "https://hooks.slack.com/services/",
            "whsec_test",
            "https://discord.com/api/webhooks/",
            "SKIP_ALL_OF_THE_TESTS_THAT_ARE_SLOW",
            HEX,
            LONG,
        ] {
            assert!(!any.is_match(harmless), "{harmless}");
        }
    }
}
