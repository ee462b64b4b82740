//! The dashboard.

mod login;

pub(super) use login::login;
