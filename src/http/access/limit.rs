//! How often: each key, all keys together, and failures to say who one is. Knows no route.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::StatusCode;
use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

use crate::http::problem::Problem;

/// Limiters of keys that are kept.
const KEYS_MAX: usize = 2_000;

pub(super) struct Limits {
    all: DefaultDirectRateLimiter,
    failures: DefaultKeyedRateLimiter<IpAddr>,
    keys: Mutex<HashMap<(String, u32), Arc<DefaultDirectRateLimiter>>>,
    rate: u32,
    clock: DefaultClock,
}

fn quota(a_minute: u32) -> Quota {
    Quota::per_minute(NonZeroU32::new(a_minute).unwrap_or(NonZeroU32::MIN))
}

impl Limits {
    pub fn new(rate: u32, rate_all: u32, failures: u32) -> Self {
        Self {
            all: RateLimiter::direct(quota(rate_all)),
            failures: RateLimiter::keyed(quota(failures)),
            keys: Mutex::default(),
            rate,
            clock: DefaultClock::default(),
        }
    }

    /// Counts a request of a key.
    pub fn count(&self, key: &str, rate: Option<u32>) -> Result<(), Problem> {
        let rate = rate.unwrap_or(self.rate);
        let limiter = {
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            if keys.len() >= KEYS_MAX {
                keys.clear();
            }
            let limiter = keys.entry((key.to_owned(), rate));
            Arc::clone(limiter.or_insert_with(|| Arc::new(RateLimiter::direct(quota(rate)))))
        };
        let wait = limiter.check().and_then(|()| self.all.check());
        wait.map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            too_many(&format!("this key may ask {rate} times a minute"), wait)
        })
    }

    /// Refuses an address that has failed too often of late.
    pub fn check_failures(&self, address: IpAddr) -> Result<(), Problem> {
        self.failures.check_key(&address).map(drop).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            too_many("too many requests from this address did not say who asks", wait)
        })
    }
}

fn too_many(message: &str, wait: std::time::Duration) -> Problem {
    let mut problem =
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "E0608", message, "wait as long as `Retry-After` says");
    problem.retry_after = Some(wait.as_secs() + 1);
    problem
}
