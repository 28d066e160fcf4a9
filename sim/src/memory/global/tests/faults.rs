//! A case for every fault.
