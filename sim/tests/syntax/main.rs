//! PTX as text and as a tree: what parses to what, what does not and how it is said, and that nothing makes it stumble.

mod forms;
mod fuzz;
mod hostile;
mod mistakes;
mod random;
mod round_trip;
mod texts;
mod verified;
