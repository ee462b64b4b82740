//! Tokens that somebody else makes: JWT with one pinned algorithm, one issuer and one audience.
//!
//! `jsonwebtoken` reads and checks; the signatures are checked by `ring`, as everywhere in this program.

use std::sync::Once;

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
};
use ring::{hmac, signature as rings};
use serde::Deserialize;
use signature::Verifier;

use crate::service::Role;

/// The longest token, in bytes.
const TOKEN_MAX: usize = 8 * 1024;

/// The algorithms that may be pinned.
pub const ALGORITHMS: [&str; 4] = ["EdDSA", "ES256", "RS256", "HS256"];
/// The shortest shared secret, in bytes.
const SECRET_MIN: usize = 32;

/// How tokens of somebody else's making are checked. The algorithm is pinned here, and nothing that a token says changes it.
#[derive(Clone)]
pub struct JwtSettings {
    key: DecodingKey,
    algorithm: Algorithm,
    issuer: String,
    audience: String,
    role_claim: String,
}

impl std::fmt::Debug for JwtSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtSettings").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Who a token names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub who: String,
    pub role: Role,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(flatten)]
    others: serde_json::Map<String, serde_json::Value>,
}

impl JwtSettings {
    /// `key` is a public key as PEM, or for HS256 a shared secret of at least 32 bytes; the role stands in `role_claim`:
    /// `viewer`, `operator`, `approver` or `admin`.
    ///
    /// # Errors
    /// Why the key is none of that algorithm, in words.
    pub fn new(
        algorithm: &str,
        key: &[u8],
        issuer: String,
        audience: String,
        role_claim: String,
    ) -> Result<Self, String> {
        let read = match algorithm {
            "EdDSA" => (Algorithm::EdDSA, DecodingKey::from_ed_pem(key)),
            "ES256" => (Algorithm::ES256, DecodingKey::from_ec_pem(key)),
            "RS256" => (Algorithm::RS256, DecodingKey::from_rsa_pem(key)),
            "HS256" if key.trim_ascii().len() < SECRET_MIN => {
                return Err(format!("a shared secret has at least {SECRET_MIN} bytes"));
            }
            // A public key is no secret: who takes one for it lets everybody in.
            "HS256" if key.starts_with(b"-----BEGIN") => return Err("a PEM file is no shared secret".to_owned()),
            "HS256" => (Algorithm::HS256, Ok(DecodingKey::from_secret(key.trim_ascii()))),
            _ => return Err(format!("`{algorithm}` is none of {}", ALGORITHMS.join(", "))),
        };
        let key = read.1.map_err(|error| format!("it is no public key for {algorithm}: {error}"))?;
        Ok(Self { key, algorithm: read.0, issuer, audience, role_claim })
    }

    /// Who a token names; nobody where anything about it is not right.
    pub(super) fn who(&self, token: &str) -> Option<Named> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        install();
        let mut validation = Validation::new(self.algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 30;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &validation).ok()?.claims;
        let role = Role::of(claims.others.get(&self.role_claim)?.as_str()?)?;
        let is_name = !claims.sub.is_empty() && claims.sub.len() <= 200 && !claims.sub.chars().any(char::is_control);
        is_name.then_some(Named { who: claims.sub, role })
    }
}

/// Says once that signatures are checked here.
fn install() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: no_signer,
        verifier_factory: verifier,
        key_utils: KeyUtils::new_unimplemented(),
    };
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        PROVIDER.install_default().ok();
    });
}

fn no_signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Err(ErrorKind::InvalidAlgorithm.into())
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    Ok(Box::new(Checked { algorithm: *algorithm, key: key.try_get_as_bytes()?.to_vec() }))
}

struct Checked {
    algorithm: Algorithm,
    key: Vec<u8>,
}

impl JwtVerifier for Checked {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for Checked {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let by = |how: &'static dyn rings::VerificationAlgorithm| {
            rings::UnparsedPublicKey::new(how, &self.key).verify(message, signature)
        };
        let is_right = match self.algorithm {
            Algorithm::HS256 => hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &self.key), message, signature),
            Algorithm::EdDSA => by(&rings::ED25519),
            Algorithm::ES256 => by(&rings::ECDSA_P256_SHA256_FIXED),
            Algorithm::RS256 => by(&rings::RSA_PKCS1_2048_8192_SHA256),
            _ => return Err(signature::Error::new()),
        };
        is_right.map_err(|_| signature::Error::new())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use serde_json::{Value, json};

    use super::*;
    use crate::runtime::base64_text as base64;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn part(value: &Value) -> String {
        url(value.to_string().as_bytes())
    }

    fn url(bytes: &[u8]) -> String {
        base64(bytes).replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned()
    }

    fn signed(header: &Value, claims: &Value, secret: &[u8]) -> String {
        let text = format!("{}.{}", part(header), part(claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
        format!("{text}.{}", url(tag.as_ref()))
    }

    fn claims() -> Value {
        json!({ "sub": "ada", "iss": "us", "aud": "orch", "role": "operator", "exp": 4_000_000_000_u64 })
    }

    fn with(key: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[key] = value;
        claims
    }

    fn without(key: &str) -> Value {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(key);
        claims
    }

    fn settings(algorithm: &str, key: &[u8]) -> JwtSettings {
        JwtSettings::new(algorithm, key, "us".to_owned(), "orch".to_owned(), "role".to_owned()).unwrap()
    }

    #[test]
    fn a_right_token_names_somebody_and_twenty_forged_ones_nobody() {
        let by_secret = settings("HS256", SECRET);
        let hs = json!({ "alg": "HS256", "typ": "JWT" });
        let good = signed(&hs, &claims(), SECRET);
        assert_eq!(by_secret.who(&good), Some(Named { who: "ada".to_owned(), role: Role::Operator }));
        let (head, rest) = good.split_once('.').unwrap();
        let (body, tag) = rest.split_once('.').unwrap();
        let forged = [
            format!("{}.{body}.", part(&json!({ "alg": "none" }))),
            format!("{}.{body}.{tag}", part(&json!({ "alg": "none" }))),
            format!("{}.{body}.{tag}", part(&json!({ "alg": "NONE" }))),
            format!("{head}.{body}."),
            format!("{head}.{body}"),
            format!("{head}.{}.{tag}", part(&with("role", json!("admin")))),
            signed(&hs, &claims(), b"another secret of the same length"),
            signed(&json!({ "alg": "HS384" }), &claims(), SECRET),
            signed(&json!({ "alg": "RS256" }), &claims(), SECRET),
            signed(&json!({ "alg": "HS256", "kid": "../../../dev/null" }), &claims(), b""),
            signed(&hs, &with("exp", json!(1)), SECRET),
            signed(&hs, &with("exp", json!("4000000000")), SECRET),
            signed(&hs, &without("exp"), SECRET),
            signed(&hs, &with("nbf", json!(4_000_000_000_u64)), SECRET),
            signed(&hs, &with("iss", json!("them")), SECRET),
            signed(&hs, &without("iss"), SECRET),
            signed(&hs, &with("aud", json!("others")), SECRET),
            signed(&hs, &without("aud"), SECRET),
            signed(&hs, &with("role", json!("root")), SECRET),
            signed(&hs, &without("role"), SECRET),
            signed(&hs, &without("sub"), SECRET),
            signed(&hs, &with("sub", json!("a\nb")), SECRET),
            signed(&hs, &with("sub", json!("x".repeat(9_000))), SECRET),
        ];
        for (place, token) in forged.iter().enumerate() {
            assert_eq!(by_secret.who(token), None, "forgery {place}");
        }
    }

    #[test]
    fn a_public_key_is_never_taken_for_a_secret() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        der.extend_from_slice(pair.public_key().as_ref());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", base64(&der));
        let by_key = settings("EdDSA", pem.as_bytes());
        let text = format!("{}.{}", part(&json!({ "alg": "EdDSA" })), part(&claims()));
        let good = format!("{text}.{}", url(pair.sign(text.as_bytes()).as_ref()));
        assert!(by_key.who(&good).is_some());
        assert_eq!(by_key.who(&signed(&json!({ "alg": "HS256" }), &claims(), pem.as_bytes())), None);
        assert_eq!(by_key.who(&signed(&json!({ "alg": "EdDSA" }), &claims(), pair.public_key().as_ref())), None);
        assert!(JwtSettings::new("HS256", pem.as_bytes(), String::new(), String::new(), String::new()).is_err());
        assert!(JwtSettings::new("HS256", b"short", String::new(), String::new(), String::new()).is_err());
        assert!(JwtSettings::new("none", SECRET, String::new(), String::new(), String::new()).is_err());
    }
}
