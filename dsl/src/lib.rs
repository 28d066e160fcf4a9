//! The rule language of Chunkwise: syntax, types, diagnostics, and the timeline normal form.
