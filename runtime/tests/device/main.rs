//! Running rules on devices: one test binary, so that what its modules share is compiled once.

#[cfg(feature = "sim")]
mod behind;
mod common;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod messages;
#[cfg(feature = "sim")]
mod prepared;
#[cfg(feature = "sim")]
mod sim;
#[cfg(feature = "sim")]
mod views;
