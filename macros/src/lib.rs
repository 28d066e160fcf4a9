//! The #[rule] attribute of Chunkwise.
