//! Asks a server of this machine: whether it is ready, for the health check of a container, which has no other program; and for
//! a link that begins a session, for its owner.
//!
//! Where the server speaks TLS it is known by its very certificate, under whatever name that is for.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use serde_json::Value;

use crate::service::Refusal;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes of an answer.
const ANSWER_MAX: u64 = 64 * 1024;

/// A server of this machine.
#[derive(Debug, Clone)]
pub struct Beside {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What it speaks TLS with, as PEM.
    pub certificates: Option<String>,
}

impl Beside {
    /// Asks whether it is ready.
    ///
    /// # Errors
    /// When nobody answers, or somebody else does.
    pub fn is_ready(&self) -> Result<bool, Refusal> {
        let head = format!("GET /readyz HTTP/1.1\r\nHost: {}\r\n", self.address());
        Ok(self.ask(&head)?.0 == 200)
    }

    /// Asks for a link that begins a session, with the key of its owner. `host` is a name under which it is asked.
    ///
    /// # Errors
    /// When nobody answers, somebody else does, or it gives none.
    pub fn link(&self, key: &str, host: Option<&str>) -> Result<String, Refusal> {
        let address = self.address();
        let host = host.map_or_else(|| address.to_string(), str::to_owned);
        let head = format!(
            "POST /api/v1/links HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nContent-Length: 0\r\n"
        );
        let (status, body) = self.ask(&head)?;
        let told: Value = serde_json::from_str(&body).unwrap_or_default();
        let is_plain = |link: &&str| link.starts_with("http") && link.bytes().all(|byte| byte.is_ascii_graphic());
        if let Some(link) = told["link"].as_str().filter(is_plain).filter(|_| status == 201) {
            return Ok(link.to_owned());
        }
        let why = told["detail"].as_str().map_or_else(|| format!("it answers {status}"), str::to_owned);
        let message = format!("the server on {address} gives no link: {why}");
        Err(match status {
            401 | 403 => {
                let help = "ask as the user who has started it, with the same HOME; `orch keys list` shows its keys";
                Refusal::new(2, "E0603", message, help)
            }
            421 => Refusal::new(2, "E0605", message, "give the same `--host NAME` as the server"),
            _ => Refusal::new(75, "E0620", message, "ask again later; is it a server of this version?").retryable(),
        })
    }

    /// Where it is reached: one that listens everywhere, on this machine.
    fn address(&self) -> SocketAddr {
        let mut address = self.listen;
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() {
                IpAddr::from([127, 0, 0, 1])
            } else {
                IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])
            });
        }
        address
    }

    /// The status and the body of its answer.
    fn ask(&self, head: &str) -> Result<(u16, String), Refusal> {
        let address = self.address();
        let ask = || -> io::Result<(u16, String)> {
            let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            match &self.certificates {
                Some(certificates) => exchange(StreamOwned::new(speak(address, certificates)?, stream), head),
                None => exchange(stream, head),
            }
        };
        ask().map_err(|error| {
            let message = format!("nobody who is ready answers on {address}: {error}");
            let help = "is the server started, and with the same `--listen`? where it speaks TLS, give the same `--tls-cert` and `--tls-key`";
            Refusal::new(75, "E0620", message, help).retryable()
        })
    }
}

fn exchange(mut stream: impl Read + Write, head: &str) -> io::Result<(u16, String)> {
    write!(stream, "{head}Connection: close\r\n\r\n")?;
    stream.flush()?;
    let mut answer = Vec::new();
    // How it ends is the server's to say; what matters is what has come.
    let ended = stream.take(ANSWER_MAX).read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let (Some(status), Some((_, body))) = (status, text.split_once("\r\n\r\n")) else {
        return Err(ended.err().unwrap_or_else(|| io::Error::other("what answers speaks no HTTP")));
    };
    Ok((status, body.to_owned()))
}

fn speak(address: SocketAddr, certificates: &str) -> io::Result<ClientConnection> {
    let certificate = CertificateDer::from_pem_slice(certificates.as_bytes()).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let known = Arc::new(Known { certificate, provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(io::Error::other)?.dangerous().with_custom_certificate_verifier(known);
    ClientConnection::new(Arc::new(config.with_no_client_auth()), ServerName::from(address.ip()))
        .map_err(io::Error::other)
}

/// Takes one certificate and no other.
#[derive(Debug)]
struct Known {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *shown == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
