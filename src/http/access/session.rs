//! Sessions of the dashboard: begun by a link that works once, held in a cookie that no script reads.
//!
//! They live in memory only: a server that starts again asks everybody to log in again.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    base::{hex, random},
    service::Role,
};

/// The cookie's name.
pub(in crate::http) const COOKIE: &str = "orch_session";
/// How long a link works.
pub(in crate::http) const LINK_LIFE: Duration = Duration::from_secs(10 * 60);
/// How long a session lives.
const SESSION_LIFE: Duration = Duration::from_secs(12 * 60 * 60);
/// Sessions and links at once.
const MAX: usize = 1_000;

/// Who a session is.
#[derive(Debug, Clone)]
pub(in crate::http) struct Session {
    /// For the record.
    pub who: String,
    pub role: Role,
    /// What its pages send with every change.
    pub csrf: String,
    end: Instant,
}

#[derive(Debug, Default)]
pub(in crate::http) struct Sessions {
    links: Mutex<HashMap<String, (String, Role, Instant)>>,
    open: Mutex<HashMap<String, Session>>,
}

fn chance() -> Option<String> {
    random::<32>().ok().map(|bytes| hex(&bytes))
}

impl Sessions {
    /// A code that begins one session.
    pub fn link(&self, who: &str, role: Role) -> Option<String> {
        let code = chance()?;
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, (_, _, end)| *end > Instant::now());
        if links.len() >= MAX {
            return None;
        }
        links.insert(code.clone(), (who.to_owned(), role, Instant::now() + LINK_LIFE));
        Some(code)
    }

    /// Takes a code for a session.
    pub fn begin_by_link(&self, code: &str) -> Option<String> {
        let (who, role, end) = self.links.lock().unwrap_or_else(PoisonError::into_inner).remove(code)?;
        if end > Instant::now() { self.begin(&who, role) } else { None }
    }

    /// Begins a session; gives what the cookie holds.
    pub fn begin(&self, who: &str, role: Role) -> Option<String> {
        let (cookie, csrf) = (chance()?, chance()?);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| session.end > Instant::now());
        if open.len() >= MAX {
            return None;
        }
        let end = Instant::now() + SESSION_LIFE;
        open.insert(cookie.clone(), Session { who: who.to_owned(), role, csrf, end });
        Some(cookie)
    }

    /// Whose session that is.
    pub fn find(&self, cookie: &str) -> Option<Session> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(cookie).filter(|session| session.end > Instant::now()).cloned()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]
mod tests {
    use super::*;

    #[test]
    fn a_link_begins_one_session() {
        let sessions = Sessions::default();
        let code = sessions.link("owner", Role::Admin).unwrap();
        let cookie = sessions.begin_by_link(&code).unwrap();
        assert!(sessions.begin_by_link(&code).is_none() && sessions.begin_by_link("").is_none());
        assert_eq!(sessions.find(&cookie).unwrap().who, "owner");
        assert!(sessions.find(&code).is_none());
    }
}
