// What every call of cargo here has in common.

/**
 * In CI, Cargo.lock must already be what Cargo.toml asks for. At a developer's desk cargo completes it, as after any
 * edit of a Cargo.toml, and git shows the change.
 */
export const locked = process.env.CI ? ["--locked"] : [];
