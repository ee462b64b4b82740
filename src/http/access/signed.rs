//! The door of deliveries: who sends one is known by its signature over its very bytes, so it is checked after they have
//! come and before any of them is read.

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode};

use crate::{
    http::{access::Caller, api::hooks::marks, app::App, problem::Problem},
    service::serve::Signed,
};

/// Who has signed a delivery for the hook of that name.
pub(in crate::http) fn check_signed(
    app: &App,
    name: &str,
    headers: &HeaderMap,
    body: &[u8],
    address: IpAddr,
) -> Result<(Caller, Signed), Problem> {
    let marks = marks(headers);
    // The hooks are the user's, so every project knows all of them.
    let signed = app.places().first().map(|place| place.signed(name, &marks, body)).transpose()?.flatten();
    let Some(signed) = signed else {
        app.access().check_failures(address)?;
        return Err(not_signed());
    };
    let caller = Caller::of_hook(&signed.hook.name, signed.hook.rate);
    app.access().count(&caller)?;
    Ok((caller, signed))
}

/// The one answer to whatever is not signed as it should be: also where there is no such hook.
pub(in crate::http) fn not_signed() -> Problem {
    let message = "there is no hook of that name, or the delivery is not signed as it should be";
    let help = "docs/notifications.md says what is signed; the time may be 5 minutes off";
    Problem::new(StatusCode::UNAUTHORIZED, "E0655", message, help)
}
