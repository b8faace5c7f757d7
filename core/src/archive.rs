//! The archive: a ZIP (PKWARE APPNOTE 6.3) in a strict profile, for writing and for reading.

pub mod name;
