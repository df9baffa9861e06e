/* What the parts of the library know of each other. */
#ifndef MEDCONVERT_KERNELS_H
#define MEDCONVERT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum { GGML_Q4_K = 12, GGML_Q6_K = 14 }; /* ggml types */
enum { SUPER_BLOCK = 256, Q4_K_BYTES = 144, Q6_K_BYTES = 210 };

/* ggml_quantize_chunk(type, from, to, start, rows, columns, importance) */
typedef size_t ggml_quantizer(int, const float *, void *, int64_t, int64_t, int64_t,
                              const float *);

/* Quantizes super-blocks of 256 numbers; hands those to `ggml` whose arithmetic leaves the
 * range in which both agree, and returns their number. */
typedef int64_t quantizer(const float *from, uint8_t *to, int64_t blocks, ggml_quantizer *ggml);

/* Each source of a quantizer is compiled once for every instruction set. */
#define JOIN(name, set) name##_##set
#define NAME_FOR(name, set) JOIN(name, set)
#define NAMED(name) NAME_FOR(name, INSTRUCTION_SET)

#if defined(__x86_64__)
quantizer q4k_avx2, q6k_avx2, q4k_avx512, q6k_avx512;
#elif defined(__aarch64__)
quantizer q4k_neon, q6k_neon;
#endif

#endif
