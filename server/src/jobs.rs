//! Jobs: backups of several sources to several destinations, by a schedule or by hand.
//!
//! [`due`] decides which times are due; [`Scheduler`] plans them, takes runs and keeps its leases alive; [`BackupWork`] is what a run
//! does; [`keep`] removes what the retention rules do not keep. What several servers must agree on is in the catalog
//! ([`crate::catalog::Lease`]).

mod admit;
mod keep;
mod open;
mod plan;
mod scheduler;
mod watch;
mod work;

pub use admit::{AdmitError, admit, try_out};
pub use keep::{Fate, KeepError, fates, keep};
pub use open::opened;
pub use plan::{MAX_MISSED, Times, due};
pub use scheduler::{LEASE, Now, Scheduler, Work};
pub use watch::Watch;
pub use work::BackupWork;
