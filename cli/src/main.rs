//! The `chunkwise` command line.
fn main() {}
