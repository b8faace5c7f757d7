//! Migrations are embedded when the crate is compiled, so a new one must cause that.
fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
