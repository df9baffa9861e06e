/* The library's doors: what this processor can run, and the quantizers for it.
 *
 * This file is compiled for the oldest processor of its kind, the quantizers for several;
 * which of them may be called is asked of the processor, never assumed.
 */
#include "kernels.h"

#define EXPORTED __attribute__((visibility("default")))

typedef struct {
    const char *name;
    int (*runs_here)(void);
    quantizer *q4k, *q6k;
} InstructionSet;

#if defined(__x86_64__)
static int has_avx512(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static int has_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2");
}
#elif defined(__aarch64__)
static int has_neon(void) { return 1; /* part of every 64-bit Arm */ }
#else
#error "no instruction set is known for this kind of processor"
#endif

/* The fastest first. */
static const InstructionSet SETS[] = {
#if defined(__x86_64__)
    {"avx512", has_avx512, q4k_avx512, q6k_avx512},
    {"avx2", has_avx2, q4k_avx2, q6k_avx2},
#elif defined(__aarch64__)
    {"neon", has_neon, q4k_neon, q6k_neon},
#endif
};

/* The n-th of those that this processor runs, from 0; NULL behind the last. */
static const InstructionSet *usable(int n) {
    for (size_t i = 0; i < sizeof SETS / sizeof *SETS; i++)
        if (SETS[i].runs_here() && n-- == 0) return &SETS[i];
    return NULL;
}

/* Name of the n-th instruction set that runs here, the fastest first; NULL behind the last. */
EXPORTED const char *medconvert_instruction_set(int n) {
    const InstructionSet *set = usable(n);
    return set ? set->name : NULL;
}

/* Quantizes `blocks` super-blocks of 256 finite numbers to the ggml type `kind`, with the n-th
 * instruction set.
 *
 * Returns: how many of them `ggml` had to do; -1 where there is no such set or no quantizer for
 * that type, and nothing was written. */
EXPORTED int64_t medconvert_quantize(int n, int kind, const float *from, uint8_t *to,
                                     int64_t blocks, ggml_quantizer *ggml) {
    const InstructionSet *set = usable(n);
    if (set && kind == GGML_Q4_K) return set->q4k(from, to, blocks, ggml);
    if (set && kind == GGML_Q6_K) return set->q6k(from, to, blocks, ggml);
    return -1;
}
