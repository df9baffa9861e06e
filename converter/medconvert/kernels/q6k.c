/* Q6_K: 256 numbers in 210 bytes. Sixteen sub-blocks of 16 numbers x = scale * level, levels of
 * 6 bits from -32 to 31, scale of 8 bits times one half-precision factor.
 *
 * The scale is that of ggml's search: from 19 first guesses, levels are rounded, a scale fitted
 * to them by least squares weighted with x^2, and the fit that explains most wins. The search
 * runs in many sub-blocks at once, one a lane.
 */
#include <math.h>

#include "kernels.h"
#include "lanes.h"

enum { SIZE = 16, PARTS = SUPER_BLOCK / SIZE, BATCH = SUB_BLOCKS / PARTS };
_Static_assert(BATCH > 0, "the lanes hold at least one super-block");
enum { TOP = 32, STEPS = 9 };
#define NOTHING 1e-15f /* where all numbers are smaller, ggml takes them for zeros */

/* Sub-blocks, one a lane. */
typedef struct {
    lanes x[SIZE][GROUPS];
    lanes weight[SIZE][GROUPS], weighted[SIZE][GROUPS]; /* x^2, and x^2 * x */
    lanes extreme[GROUPS];                              /* the first of largest magnitude */
    int_lanes empty[GROUPS];
} Samples;

typedef struct {
    lanes scale[GROUPS];
    lanes inverse[GROUPS]; /* its levels are round(inverse * x) */
    lanes gain[GROUPS];    /* the part of the weighted squares that it explains */
} Fit;

static void load_samples(Samples *s, const float *from) {
    float *x = (float *)s->x;
    for (int lane = 0; lane < SUB_BLOCKS; lane++)
        for (int i = 0; i < SIZE; i++) x[i * SUB_BLOCKS + lane] = from[lane * SIZE + i];
    EACH_GROUP {
        lanes extreme = {0}, largest = {0};
        for (int i = 0; i < SIZE; i++) {
            lanes number = s->x[i][g], size = magnitude(number);
            extreme = choose(size > largest, number, extreme);
            largest = greatest(size, largest);
            s->weight[i][g] = number * number;
            s->weighted[i][g] = s->weight[i][g] * number;
        }
        s->extreme[g] = extreme;
        s->empty[g] = largest < NOTHING;
    }
}

/* Fits a scale to levels of which the extreme number takes -range. Products stay within
 * 33, so that they can be rounded safely, but in empty sub-blocks, where no one looks. */
static inline void fit_range(const Samples *s, float range, lanes inverse[GROUPS],
                             lanes sum_lx[GROUPS], lanes sum_ll[GROUPS]) {
    EACH_GROUP {
        inverse[g] = -range / s->extreme[g];
        sum_lx[g] = sum_ll[g] = all(0);
    }
    for (int i = 0; i < SIZE; i++) {
        EACH_GROUP {
            lanes level = nearest_within(inverse[g] * s->x[i][g], -TOP, TOP - 1);
            sum_lx[g] += s->weighted[i][g] * level;
            sum_ll[g] += s->weight[i][g] * level * level;
        }
    }
}

static void search(const Samples *s, Fit *fit) {
    lanes inverse[GROUPS], sum_lx[GROUPS], sum_ll[GROUPS];
    fit_range(s, (float)TOP, inverse, sum_lx, sum_ll);
    EACH_GROUP {
        fit->scale[g] = choose(sum_ll[g] != 0.0f, sum_lx[g] / sum_ll[g], all(0));
        fit->gain[g] = fit->scale[g] * sum_lx[g];
        fit->inverse[g] = inverse[g];
    }
    for (int step = -STEPS; step <= STEPS; step++) {
        if (step == 0) continue;
        fit_range(s, (float)TOP + 0.1f * (float)step, inverse, sum_lx, sum_ll);
        EACH_GROUP {
            lanes lx = sum_lx[g], ll = sum_ll[g], scale = lx / ll;
            int_lanes better = (ll > 0.0f) & (lx * lx > fit->gain[g] * ll);
            fit->scale[g] = choose(better, scale, fit->scale[g]);
            fit->gain[g] = choose(better, scale * lx, fit->gain[g]);
            fit->inverse[g] = choose(better, inverse[g], fit->inverse[g]);
        }
    }
    EACH_GROUP fit->scale[g] = choose(s->empty[g], all(0), fit->scale[g]);
}

/* Low nibbles of numbers 64 apart share a byte, high pairs of bits of numbers 32 apart another. */
static void pack_levels(uint8_t *low, uint8_t *high, const uint8_t *level) {
    for (int half = 0; half < 2; half++, low += 64, high += 32, level += 128) {
        for (int i = 0; i < 64; i++) low[i] = (uint8_t)((level[i] & 15) | (level[i + 64] & 15) << 4);
        for (int i = 0; i < 32; i++)
            high[i] = (uint8_t)(level[i] >> 4 | level[i + 32] >> 4 << 2 | level[i + 64] >> 4 << 4 |
                                level[i + 96] >> 4 << 6);
    }
}

/* Writes one super-block, given the search's results for its sixteen sub-blocks. */
static void write_block(uint8_t *to, const float *x, const float *scale, const float *inverse,
                        const int32_t *empty) {
    float top = 0, top_size = 0;
    for (int j = 0; j < PARTS; j++) {
        float size = fabsf(scale[j]);
        if (size > top_size) top_size = size, top = scale[j];
    }
    if (top_size < NOTHING) {
        memset(to, 0, Q6_K_BYTES);
        return;
    }
    float per_scale = -128.0f / top;
    uint16_t factor = to_half(1 / per_scale);
    int8_t scales[PARTS];
    uint8_t level[SUPER_BLOCK];
    for (int j = 0; j < PARTS; j++) {
        int rounded = nearest_wrapping_one(per_scale * scale[j]);
        scales[j] = (int8_t)(rounded < 127 ? rounded : 127);
        float step = from_half(factor) * (float)scales[j];
        if (step == 0 && empty[j]) {
            memset(level + j * SIZE, 0, SIZE);
            continue;
        }
        for (int i = j * SIZE; i < (j + 1) * SIZE; i += LANES) {
            /* A scale that was rounded to zero leaves the levels of the search. */
            lanes exact = step == 0 ? inverse[j] * load(x + i) : load(x + i) / step;
            store_levels(level + i, exact, -TOP, TOP - 1, TOP);
        }
    }
    pack_levels(to, to + 128, level);
    memcpy(to + 192, scales, sizeof scales);
    memcpy(to + 208, &factor, sizeof factor);
}

static void quantize_batch(const float *from, uint8_t *to, int64_t blocks) {
    Samples samples;
    Fit fit;
    load_samples(&samples, from);
    search(&samples, &fit);
    const float *scale = (float *)fit.scale, *inverse = (float *)fit.inverse;
    const int32_t *empty = (int32_t *)samples.empty;
    for (int64_t b = 0; b < blocks; b++, from += SUPER_BLOCK, to += Q6_K_BYTES)
        write_block(to, from, scale + b * PARTS, inverse + b * PARTS, empty + b * PARTS);
}

/* Here nothing has to be handed to ggml; see fit_range. */
int64_t NAMED(q6k)(const float *from, uint8_t *to, int64_t blocks, ggml_quantizer *ggml) {
    (void)ggml;
    for (; blocks >= BATCH; blocks -= BATCH, from += BATCH * SUPER_BLOCK, to += BATCH * Q6_K_BYTES)
        quantize_batch(from, to, BATCH);
    if (blocks > 0) { /* too few for all lanes: the others look at zeros */
        float rest[BATCH * SUPER_BLOCK] = {0};
        memcpy(rest, from, (size_t)blocks * SUPER_BLOCK * sizeof *from);
        quantize_batch(rest, to, blocks);
    }
    return 0;
}
