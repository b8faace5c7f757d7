//! Signing in: a one-time token, printed where the server was started, is exchanged for a session.
//!
//! Of tokens only SHA-256 digests are kept, so that nothing in memory or in a core dump lets anybody in.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use coffer_core::Digest;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::catalog::hex;

/// Wrong tries within [`WINDOW`] before further ones are refused.
const MAX_WRONG: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);
/// How long a session lasts without a request.
const IDLE: Duration = Duration::from_secs(12 * 3600);
/// Sessions at once; the one that is idle for longest goes first.
const MAX_SESSIONS: usize = 64;

/// Why somebody is not signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The token is another one, or was used.
    Wrong,
    /// Too many wrong tries; seconds until the next may be made.
    Wait(u64),
    /// The system has no random bytes to give.
    Random(getrandom::Error),
}

/// The one-time token and the sessions.
pub(super) struct SignIn(Mutex<State>);

struct State {
    /// Digest of the token that was not used yet.
    token: Option<Digest>,
    sessions: HashMap<Digest, Instant>,
    wrong: VecDeque<Instant>,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignIn(…)")
    }
}

fn secret() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice())?;
    Ok(Zeroizing::new(hex(bytes.as_slice())))
}

impl SignIn {
    /// Makes the one-time token.
    ///
    /// # Errors
    /// [`getrandom::Error`].
    pub(super) fn new() -> Result<(Self, Zeroizing<String>), getrandom::Error> {
        let token = secret()?;
        let state = State {
            token: Some(Digest::of(token.as_bytes())),
            sessions: HashMap::new(),
            wrong: VecDeque::new(),
        };
        Ok((Self(Mutex::new(state)), token))
    }

    /// Exchanges the token for a session's secret.
    pub(super) fn start(&self, token: &str, now: Instant) -> Result<Zeroizing<String>, Refusal> {
        let mut state = self.state();
        while state
            .wrong
            .front()
            .is_some_and(|&at| now.duration_since(at) >= WINDOW)
        {
            state.wrong.pop_front();
        }
        if state.wrong.len() >= MAX_WRONG {
            let oldest = state.wrong.front().map_or(now, |&at| at);
            let left = WINDOW.saturating_sub(now.duration_since(oldest));
            return Err(Refusal::Wait(left.as_secs() + 1));
        }
        let given = Digest::of(token.as_bytes());
        let right = state
            .token
            .is_some_and(|digest| bool::from(digest.0.ct_eq(&given.0)));
        if !right {
            state.wrong.push_back(now);
            return Err(Refusal::Wrong);
        }
        let session = secret().map_err(Refusal::Random)?;
        state.token = None;
        state.forget_idle(now);
        state.sessions.insert(Digest::of(session.as_bytes()), now);
        Ok(session)
    }

    /// Whether a session's secret is one that lasts; it lasts on from now.
    pub(super) fn check(&self, session: &str, now: Instant) -> bool {
        let mut state = self.state();
        state.forget_idle(now);
        // Looked up by digest: how long that takes says nothing about the secret.
        match state.sessions.get_mut(&Digest::of(session.as_bytes())) {
            Some(used) => {
                *used = now;
                true
            }
            None => false,
        }
    }

    /// Ends a session.
    pub(super) fn end(&self, session: &str) {
        self.state()
            .sessions
            .remove(&Digest::of(session.as_bytes()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget_idle(&mut self, now: Instant) {
        self.sessions
            .retain(|_, used| now.duration_since(*used) < IDLE);
        while self.sessions.len() >= MAX_SESSIONS {
            let idlest = self.sessions.iter().min_by_key(|(_, used)| **used);
            let Some(digest) = idlest.map(|(digest, _)| *digest) else {
                break;
            };
            self.sessions.remove(&digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_works_once() {
        let (sign_in, token) = SignIn::new().unwrap();
        let now = Instant::now();
        let session = sign_in.start(&token, now).unwrap();
        assert_eq!(sign_in.start(&token, now).unwrap_err(), Refusal::Wrong);
        assert!(sign_in.check(&session, now));
        assert!(!sign_in.check(&token, now));
        assert!(!sign_in.check("", now));
        sign_in.end(&session);
        assert!(!sign_in.check(&session, now));
    }

    #[test]
    fn wrong_tries_are_slowed_and_then_forgiven() {
        let (sign_in, token) = SignIn::new().unwrap();
        let now = Instant::now();
        for _ in 0..MAX_WRONG {
            assert_eq!(sign_in.start("wrong", now).unwrap_err(), Refusal::Wrong);
        }
        assert!(matches!(sign_in.start(&token, now), Err(Refusal::Wait(61))));
        assert!(sign_in.start(&token, now + WINDOW).is_ok());
    }

    #[test]
    fn an_idle_session_ends_and_a_used_one_lasts() {
        let (sign_in, token) = SignIn::new().unwrap();
        let now = Instant::now();
        let session = sign_in.start(&token, now).unwrap();
        let almost = IDLE - Duration::from_secs(1);
        assert!(sign_in.check(&session, now + almost));
        assert!(sign_in.check(&session, now + almost * 2));
        assert!(!sign_in.check(&session, now + almost * 2 + IDLE));
    }
}
