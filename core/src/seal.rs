//! The sealed archive.
