//! Bindings of `coffer-core` for JavaScript.
