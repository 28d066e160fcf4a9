// Elementwise functions that CUDA has no name for.

// Positive infinity.
__device__ __forceinline__ float infinity() { return __uint_as_float(0x7f800000u); }

// x * x
__device__ __forceinline__ float square(float x) { return x * x; }

// 1 / (1 + e^-x)
__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// log(1 + e^x)
__device__ __forceinline__ float softplus(float x) { return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x))); }

// log(1 / (1 + e^-x))
__device__ __forceinline__ float log_sigmoid(float x) { return -softplus(-x); }

// x / (1 + e^-x)
__device__ __forceinline__ float silu(float x) { return x * sigmoid(x); }

// x where it is positive, otherwise e^x - 1
__device__ __forceinline__ float elu(float x) { return x > 0.0f ? x : expm1f(x); }

// x Phi(x), Phi the normal distribution function; erfc keeps the digits of the left tail.
__device__ __forceinline__ float gelu(float x) { return 0.5f * x * erfcf(-0.70710678118654752f * x); }

// x where it is positive, otherwise 0; a NaN stays
__device__ __forceinline__ float relu(float x) { return x <= 0.0f ? 0.0f : x; }

// The greater of two; a NaN stays, which fmaxf would drop.
__device__ __forceinline__ float greater_of(float x, float y) { return x != x || y != y ? x + y : fmaxf(x, y); }

// The smaller of two; a NaN stays.
__device__ __forceinline__ float smaller_of(float x, float y) { return x != x || y != y ? x + y : fminf(x, y); }

// 1 where x is positive, otherwise 0; a NaN stays
__device__ __forceinline__ float step(float x) { return x > 0.0f ? 1.0f : x <= 0.0f ? 0.0f : x; }

// -1, 0 or 1; a NaN stays
__device__ __forceinline__ float sign(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }

// 1 where x > y, 1/2 where they are equal, otherwise 0
__device__ __forceinline__ float greater(float x, float y) { return x > y ? 1.0f : x == y ? 0.5f : 0.0f; }
