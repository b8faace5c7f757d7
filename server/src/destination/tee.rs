//! Writing one archive to several destinations at once.

use std::io::{self, Write};

use crate::store::Sink;

/// Writes to all of several sinks. One that fails is left behind, so that the others get their copy; only when none is left
/// does writing fail. Which ones have failed, and why, is told by their [`crate::store::Incoming`].
#[derive(Debug)]
pub struct Tee {
    sinks: Vec<Sink>,
}

impl Tee {
    /// Writes to these.
    #[must_use]
    pub const fn new(sinks: Vec<Sink>) -> Self {
        Self { sinks }
    }
}

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sinks.retain_mut(|sink| sink.write_all(bytes).is_ok());
        if self.sinks.is_empty() {
            let what = "no destination takes the archive any more";
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, what));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
