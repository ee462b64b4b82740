//! Signs what is sent and checks what comes: HMAC-SHA256. Knows no header and no clock.
//!
//! Invariant: a comparison takes as long however much of a signature is right.

use ring::hmac::{Context, HMAC_SHA256, Key, verify};

use crate::base::{hex, unhex};

/// The signature of these parts, one after the other with a full stop between them, in hexadecimal.
#[must_use]
pub fn sign(secret: &[u8], parts: &[&[u8]]) -> String {
    let mut context = Context::with_key(&Key::new(HMAC_SHA256, secret));
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            context.update(b".");
        }
        context.update(part);
    }
    hex(context.sign().as_ref())
}

/// Whether that is the signature of these parts.
#[must_use]
pub fn is_signed(secret: &[u8], parts: &[&[u8]], signature: &str) -> bool {
    let Some(signature) = bytes_of(signature) else { return false };
    verify(&Key::new(HMAC_SHA256, secret), &parts.join(&b'.'), &signature).is_ok()
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    (text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| unhex(text)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_fits_its_text_and_its_secret_only() {
        // RFC 4231, case 2: the arithmetic is that of everybody else.
        let known = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sign(b"Jefe", &[b"what do ya want for nothing?"]), known);
        let signature = sign(b"secret", &[b"1", b"body"]);
        assert!(is_signed(b"secret", &[b"1", b"body"], &signature));
        assert!(is_signed(b"secret", &[b"1", b"body"], &signature.to_uppercase()));
        let wrong = ["", "00", &signature[..62], &"0".repeat(64), &format!("+{}", &signature[1..])];
        assert!(wrong.iter().all(|wrong| !is_signed(b"secret", &[b"1", b"body"], wrong)));
        assert!(!is_signed(b"other", &[b"1", b"body"], &signature));
        assert!(!is_signed(b"secret", &[b"2", b"body"], &signature));
        assert!(!is_signed(b"secret", &[b"1", b"Body"], &signature));
    }
}
