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
        is_name.then(|| Named { who: claims.sub, role })
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
