// Element types as they lie in memory. Arithmetic is in float: `wide` reads a number, `of` rounds one to nearest even.
// The host tests replace this file: conversions to 16 bits are single instructions here.

// A 64-bit index: a tensor may hold more than 2^31 numbers.
typedef long long i64;

// IEEE 754 binary32.
struct f32 {
    float bits;
    __device__ __forceinline__ float wide() const { return bits; }
    static __device__ __forceinline__ f32 of(float x) { return f32{x}; }
};

// The upper half of a binary32.
struct bf16 {
    unsigned short bits;
    __device__ __forceinline__ float wide() const { return __uint_as_float(static_cast<unsigned>(bits) << 16); }
    static __device__ __forceinline__ bf16 of(float x) {
        bf16 y;
        asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
        return y;
    }
};

// IEEE 754 binary16.
struct f16 {
    unsigned short bits;
    __device__ __forceinline__ float wide() const {
        float y;
        asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(bits));
        return y;
    }
    static __device__ __forceinline__ f16 of(float x) {
        f16 y;
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
        return y;
    }
};
