//! Chunkwise.
