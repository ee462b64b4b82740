//! Who asks, whether they may, and how often.
//!
//! Denied by default: a route without a scope cannot be written down, and only the scope `Public` lets nobody in.

mod door;
mod jwt;
mod limit;
mod session;
mod signed;
mod ways;

pub(super) use door::{Access, Caller, check, check_still};
pub use jwt::{ALGORITHMS, JwtSettings};
pub(super) use session::{COOKIE, LINK_LIFE};
pub(super) use signed::{check_signed, not_signed};
pub(super) use ways::is_loopback;
