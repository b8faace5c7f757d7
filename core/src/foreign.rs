//! Archives of other systems: read with the same care as Coffer's own, though they keep to none of its rules.

pub mod zip;
