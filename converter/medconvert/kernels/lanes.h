/* Vectors of float and the few operations that the quantizers share.
 *
 * A lane holds one sub-block: all lanes do the same arithmetic in the same order as a
 * loop over one sub-block would, so every sum is rounded alike and the bytes come out
 * the same. The build turns off contraction of a*b+c, which would round once less.
 */
#ifndef MEDCONVERT_LANES_H
#define MEDCONVERT_LANES_H

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* Lanes of one register, and registers worked on at once to hide the latency of sums. */
#if defined(__AVX512F__)
enum { LANES = 16, GROUPS = 2 };
#elif defined(__AVX2__)
enum { LANES = 8, GROUPS = 2 };
#else
enum { LANES = 4, GROUPS = 4 };
#endif
/* Sub-blocks worked on at once. */
enum { SUB_BLOCKS = LANES * GROUPS };

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t int_lanes __attribute__((vector_size(4 * LANES)));
typedef uint8_t byte_lanes __attribute__((vector_size(LANES)));

#define EACH_GROUP _Pragma("GCC unroll 4") for (int g = 0; g < GROUPS; g++)

static inline lanes all(float value) { return value - (lanes){0}; }

/* `a` where the comparison `where` held, else `b`. */
static inline lanes choose(int_lanes where, lanes a, lanes b) {
    return (lanes)(((int_lanes)a & where) | ((int_lanes)b & ~where));
}

static inline lanes magnitude(lanes x) { return (lanes)((int_lanes)x & 0x7fffffff); }

/* Smaller and larger of two numbers; neither is NaN where the result counts. */
static inline lanes least(lanes a, lanes b) {
#if defined(__AVX512F__)
    return _mm512_min_ps(a, b);
#elif defined(__AVX2__)
    return _mm256_min_ps(a, b);
#elif defined(__aarch64__)
    return vminq_f32(a, b);
#else
    return choose(a < b, a, b);
#endif
}

static inline lanes greatest(lanes a, lanes b) {
#if defined(__AVX512F__)
    return _mm512_max_ps(a, b);
#elif defined(__AVX2__)
    return _mm256_max_ps(a, b);
#elif defined(__aarch64__)
    return vmaxq_f32(a, b);
#else
    return choose(a > b, a, b);
#endif
}

/* Adding 1.5 * 2^23 leaves no bits behind the point: the sum is the nearest integer, ties
 * to even, plus this. True up to ROUNDABLE; beyond it ggml's integers wrap around. */
#define ROUNDER 12582912.0f
#define ROUNDABLE 4194303.0f

/* The nearest integer within [low, high], as a float; for |x| <= ROUNDABLE only. */
static inline lanes nearest_within(lanes x, float low, float high) {
    lanes shifted = x + ROUNDER;
    shifted = greatest(least(shifted, all(ROUNDER + high)), all(ROUNDER + low));
    return shifted - ROUNDER;
}

/* The nearest integer as ggml takes it from the bits of the sum: for any x, infinity and NaN
 * too, where it wraps around in the same way. */
static inline int_lanes nearest_wrapping(lanes x) {
    return ((int_lanes)(x + ROUNDER) & 0x7fffff) - 0x400000;
}

static inline int nearest_wrapping_one(float x) {
    float shifted = x + ROUNDER;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    return (bits & 0x7fffff) - 0x400000;
}

/* Stores nearest integers within [low, high], moved up by `offset`, as bytes. */
static inline void store_levels(uint8_t *to, lanes x, int low, int high, int offset) {
    int_lanes level = nearest_wrapping(x);
    int_lanes over = level > high;
    level = (level & ~over) | (high & over);
    int_lanes under = level < low;
    level = (level & ~under) | (low & under);
    byte_lanes bytes = __builtin_convertvector(level + offset, byte_lanes);
    memcpy(to, &bytes, sizeof bytes);
}

static inline lanes load(const float *from) {
    lanes x;
    memcpy(&x, from, sizeof x);
    return x;
}

/* IEEE half precision, round to nearest even; `x` is not NaN. */
static inline uint16_t to_half(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size >= 0x47800000) return (uint16_t)(sign | 0x7c00); /* 2^16 and up: infinity */
    if (size < 0x38800000) { /* below 2^-14: multiples of 2^-24, the last place of 0.5 */
        float shifted;
        memcpy(&shifted, &size, sizeof shifted);
        shifted += 0.5f;
        memcpy(&size, &shifted, sizeof size);
        return (uint16_t)(sign | (size - 0x3f000000));
    }
    size += 0xfff + (size >> 13 & 1); /* half of the last place kept, less one where it is even */
    return (uint16_t)(sign | ((size >> 13) - (112 << 10)));
}

static inline float from_half(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, bits = (uint32_t)(half & 0x7fff) << 13;
    if (bits >= 0x7c00u << 13) {
        bits += (255u - 31u) << 23;
    } else { /* the exponents differ by 112; a product gets the small numbers right as well */
        float scaled;
        memcpy(&scaled, &bits, sizeof scaled);
        scaled *= 0x1p112f;
        memcpy(&bits, &scaled, sizeof bits);
    }
    bits |= sign;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

#endif
