//! What one lane computes, on bit patterns; and what a warp's tensor core computes.
