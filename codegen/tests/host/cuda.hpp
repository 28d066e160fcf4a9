// CUDA's words for a host C++ compiler, so that the text of a generated kernel runs on the CPU, lane by lane.
//
// Every thread of a block is a coroutine. A warp's lanes run one after another until each stands at a shuffle, a barrier
// or its end; they must all stand at the same kind of place, or the kernel is divergent and the run stops. See
// scheduler.cpp. This checks the text's arithmetic and control flow, not the compiler, the hardware or the timing.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static

struct Index {
    unsigned x;
};
extern Index threadIdx;
extern Index blockIdx;

// Stops this lane until its whole warp is here, then gives it the value of another lane.
float exchange(float value, int mask);

// Stops this thread until its whole block is here.
void __syncthreads();

inline float __shfl_xor_sync(unsigned, float value, int mask) { return exchange(value, mask); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __uint_as_float(unsigned bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}
inline unsigned __float_as_uint(float x) {
    unsigned bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}

// What numbers.cuh says with single instructions.
typedef long long i64;

struct f32 {
    float bits;
    float wide() const { return bits; }
    static f32 of(float x) { return f32{x}; }
};

struct bf16 {
    unsigned short bits;
    float wide() const { return __uint_as_float(static_cast<unsigned>(bits) << 16); }
    static bf16 of(float x) {
        const unsigned b = __float_as_uint(x);
        if (x != x) return bf16{0x7fff};
        return bf16{static_cast<unsigned short>((b + 0x7fffu + (b >> 16 & 1)) >> 16)};
    }
};

struct f16 {
    unsigned short bits;
    float wide() const {
        const unsigned sign = (bits & 0x8000u) << 16, exponent = bits >> 10 & 31, fraction = bits & 1023;
        if (exponent == 31) return __uint_as_float(sign | 0x7f800000u | fraction << 13);
        const float magnitude = exponent == 0 ? std::ldexp(float(fraction), -24)
                                              : std::ldexp(float(fraction + 1024), int(exponent) - 25);
        return sign ? -magnitude : magnitude;
    }
    static f16 of(float x) {
        const unsigned short sign = __float_as_uint(x) >> 16 & 0x8000;
        const float magnitude = std::fabs(x);
        if (x != x) return f16{0x7fff};
        if (magnitude >= 65520.0f) return f16{static_cast<unsigned short>(sign | 0x7c00)};
        int exponent;
        std::frexp(magnitude, &exponent);
        // The spacing of halves at this magnitude; nearbyint rounds to even.
        const int spacing = std::max(exponent - 11, -24);
        const float units = std::nearbyint(std::ldexp(magnitude, -spacing));
        // Units count from 1024 upwards in normal numbers, and carry into the next exponent by themselves.
        const unsigned body = spacing == -24 ? unsigned(units) : unsigned(units) - 1024 + (unsigned(spacing + 25) << 10);
        return f16{static_cast<unsigned short>(sign | body)};
    }
};
