//! Sends one mail. The only module that names `lettre`.
//!
//! Invariant: the connection goes to the address that the door has found and checked, under the name that was asked for.

use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};
use tokio::time::timeout;

use crate::{
    base::{Host, Target},
    execute::outgoing::{Outgoing, OutgoingFault},
    guard::Secret,
};

/// How long one word of the server may take, and all of them.
const WORD_PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(30);

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// From its first byte.
    Whole,
    /// After a greeting in clear.
    Start,
    /// Not at all.
    None,
}

/// A mail that was not sent yet.
#[derive(Debug, Clone)]
pub struct Letter {
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
    /// What about.
    pub subject: String,
    /// The text.
    pub text: String,
    /// Its id, the same however often it is tried.
    pub id: String,
}

impl Outgoing {
    /// Hands a mail to a server.
    ///
    /// # Errors
    /// When the server may not be reached, does not answer, or does not take it.
    pub async fn mail(
        &self,
        server: &str,
        tls: MailTls,
        login: Option<(String, Secret)>,
        letter: &Letter,
    ) -> Result<(), OutgoingFault> {
        let refused = |why: String| OutgoingFault::Refused(why);
        let target = Target::of(server, None).ok_or_else(|| refused(format!("`{server}` is no HOST:PORT")))?;
        let message = message(letter)?;
        let address = self.address(&target).await?;
        let name = match &target.host {
            Host::Name(name) => name.clone(),
            Host::Address(address) => address.to_string(),
        };
        let parameters = || TlsParameters::new(name.clone()).map_err(|error| refused(format!("TLS: {error}")));
        let tls = match tls {
            MailTls::Whole => Tls::Wrapper(parameters()?),
            MailTls::Start => Tls::Required(parameters()?),
            MailTls::None => Tls::None,
        };
        let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.ip().to_string());
        let mut transport = transport.port(address.port()).tls(tls).timeout(Some(WORD_PATIENCE));
        if let Some((user, password)) = login {
            transport = transport.credentials(Credentials::new(user, password.reveal().to_owned()));
        }
        let transport = transport.build();
        let late =
            || OutgoingFault::Unreached(format!("the mail server takes longer than {} seconds", PATIENCE.as_secs()));
        let sent = timeout(PATIENCE, transport.send(message)).await.map_err(|_| late())?;
        sent.map(drop).map_err(|error| {
            let text: String = error.to_string().chars().filter(|letter| !letter.is_control()).take(200).collect();
            let text = format!("the mail server does not take it: {text}");
            if error.is_permanent() { OutgoingFault::Refused(text) } else { OutgoingFault::Unreached(text) }
        })
    }
}

fn message(letter: &Letter) -> Result<Message, OutgoingFault> {
    let refused = |what: &str, error: &dyn std::fmt::Display| OutgoingFault::Refused(format!("{what}: {error}"));
    let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|error| refused("an address of the mail", &error));
    let mut message = Message::builder().from(mailbox(&letter.from)?);
    for to in &letter.to {
        message = message.to(mailbox(to)?);
    }
    message = message.subject(letter.subject.clone()).message_id(Some(format!("<{}@orch>", letter.id)));
    let message = message.header(ContentType::TEXT_PLAIN).body(letter.text.clone());
    message.map_err(|error| refused("the mail", &error))
}
