//! The `ringbus` command.
fn main() {}
