//! Helpers for tests that cross the parts of Coffer.
