//! Asks a server of this machine whether it is ready: for the health check of a container, which has no other program.
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

use crate::service::Refusal;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks a server of this machine whether it is ready. `certificates` are those that it speaks TLS with, as PEM.
///
/// # Errors
/// When nobody answers, or somebody else does.
pub fn check_health(listen: SocketAddr, certificates: Option<&str>) -> Result<bool, Refusal> {
    let mut address = listen;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            IpAddr::from([127, 0, 0, 1])
        } else {
            IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])
        });
    }
    let ask = || -> io::Result<bool> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        match certificates {
            Some(certificates) => is_ready(StreamOwned::new(speak(address, certificates)?, stream), address),
            None => is_ready(stream, address),
        }
    };
    ask().map_err(|error| {
        let message = format!("nobody who is ready answers on {address}: {error}");
        let help = "is the server started, and with the same `--listen`? where it speaks TLS, give the same `--tls-cert` and `--tls-key`";
        Refusal::new(75, "E0620", message, help).retryable()
    })
}

fn is_ready(mut stream: impl Read + Write, address: SocketAddr) -> io::Result<bool> {
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    stream.flush()?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    if !answer.starts_with(b"HTTP/1.1 ") {
        return Err(io::Error::other("what answers speaks no HTTP"));
    }
    Ok(&answer == b"HTTP/1.1 200")
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
