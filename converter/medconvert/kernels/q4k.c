/* Q4_K: 256 numbers in 144 bytes. Eight sub-blocks of 32 numbers x = scale * level - minimum,
 * levels of 4 bits, scale and minimum of 6 bits times two half-precision factors.
 *
 * Scale and minimum are those of ggml's search: from 22 first guesses of the scale, levels are
 * rounded, scale and minimum fitted to them by weighted least squares, and the fit with the
 * smallest weighted error wins. The search runs in many sub-blocks at once, one a lane.
 */
#include <math.h>

#include "kernels.h"
#include "lanes.h"

enum { SIZE = 32, PARTS = SUPER_BLOCK / SIZE, BATCH = SUB_BLOCKS / PARTS };
_Static_assert(BATCH > 0, "the lanes hold at least one super-block");
enum { TOP = 15, STEPS = 21, SCALE_TOP = 63 };

/* Sub-blocks, one a lane: what a quantizer sees of them, and what it finds. */
typedef struct {
    lanes x[SIZE][GROUPS];
    lanes weight[SIZE][GROUPS]; /* of the squared error of each number */
    lanes highest[GROUPS], lowest[GROUPS];
    lanes sum_w[GROUPS], sum_wx[GROUPS];
} Samples;

typedef struct {
    lanes scale[GROUPS], minimum[GROUPS];
    lanes inverse[GROUPS], start[GROUPS]; /* its levels are round(inverse * (x - start)) */
    int_lanes strange[GROUPS];            /* a product was too large to be rounded safely */
} Fit;

/* Loads sub-blocks that lie one after another, and weighs them: |x| + root mean square. */
static void load_samples(Samples *s, const float *from) {
    float *x = (float *)s->x;
    for (int lane = 0; lane < SUB_BLOCKS; lane++)
        for (int i = 0; i < SIZE; i++) x[i * SUB_BLOCKS + lane] = from[lane * SIZE + i];
    EACH_GROUP {
        lanes squares = {0}, typical;
        for (int i = 0; i < SIZE; i++) squares += s->x[i][g] * s->x[i][g];
        squares = squares / (float)SIZE;
        for (int lane = 0; lane < LANES; lane++) typical[lane] = sqrtf(squares[lane]);
        for (int i = 0; i < SIZE; i++) s->weight[i][g] = typical + magnitude(s->x[i][g]);
        lanes low = s->x[0][g], high = low;
        lanes sum_w = s->weight[0][g], sum_wx = sum_w * low;
        for (int i = 1; i < SIZE; i++) {
            low = least(s->x[i][g], low);
            high = greatest(s->x[i][g], high);
            sum_w += s->weight[i][g];
            sum_wx += s->weight[i][g] * s->x[i][g];
        }
        s->lowest[g] = low, s->highest[g] = high;
        s->sum_w[g] = sum_w, s->sum_wx[g] = sum_wx;
    }
}

/* Whether rounding inverse * (x - start) leaves the range for some x of the sub-block. All
 * operations are monotonic, so the extremes tell; NaN counts as leaving it. */
static inline int_lanes too_large(const Samples *s, int g, lanes inverse, lanes start) {
    lanes high = magnitude(inverse * (s->highest[g] - start));
    lanes low = magnitude(inverse * (s->lowest[g] - start));
    return ~((high <= ROUNDABLE) & (low <= ROUNDABLE));
}

static inline lanes levels(lanes x, lanes inverse, lanes start) {
    return nearest_within(inverse * (x - start), 0, TOP);
}

/* The first fit stretches the levels from the minimum, zero at most, to the maximum. */
static void first_fit(const Samples *s, Fit *fit, lanes error[GROUPS]) {
    EACH_GROUP {
        lanes start = choose(s->lowest[g] > 0.0f, all(0), s->lowest[g]);
        lanes inverse = (float)TOP / (s->highest[g] - start), scale = 1.0f / inverse, sum = {0};
        for (int i = 0; i < SIZE; i++) {
            lanes miss = scale * levels(s->x[i][g], inverse, start) + start - s->x[i][g];
            sum += s->weight[i][g] * (miss * miss);
        }
        fit->scale[g] = scale, fit->minimum[g] = start;
        fit->inverse[g] = inverse, fit->start[g] = start;
        fit->strange[g] = too_large(s, g, inverse, start);
        error[g] = sum;
    }
}

/* Tries levels of `range` steps from the best minimum so far; keeps the fit where it is better. */
static inline void try_range(const Samples *s, Fit *fit, lanes error[GROUPS], float range) {
    lanes inverse[GROUPS], start[GROUPS], scale[GROUPS], minimum[GROUPS];
    lanes sum_l[GROUPS], sum_ll[GROUPS], sum_lx[GROUPS], missed[GROUPS];
    lanes level[SIZE][GROUPS];
    EACH_GROUP {
        start[g] = fit->minimum[g];
        inverse[g] = range / (s->highest[g] - start[g]);
        fit->strange[g] |= too_large(s, g, inverse[g], start[g]);
        sum_l[g] = sum_ll[g] = sum_lx[g] = missed[g] = all(0);
    }
    for (int i = 0; i < SIZE; i++) {
        EACH_GROUP {
            lanes x = s->x[i][g], w = s->weight[i][g], l = levels(x, inverse[g], start[g]);
            level[i][g] = l;
            sum_l[g] += w * l;
            sum_ll[g] += w * l * l;
            sum_lx[g] += w * l * x;
        }
    }
    int_lanes solvable[GROUPS];
    EACH_GROUP {
        lanes w = s->sum_w[g], x = s->sum_wx[g], l = sum_l[g], ll = sum_ll[g], lx = sum_lx[g];
        lanes determinant = w * ll - l * l;
        solvable[g] = determinant > 0.0f;
        scale[g] = (w * lx - x * l) / determinant;
        minimum[g] = (ll * x - l * lx) / determinant;
        int_lanes above = minimum[g] > 0.0f; /* the format has no positive minimum */
        scale[g] = choose(above, lx / ll, scale[g]);
        minimum[g] = choose(above, all(0), minimum[g]);
    }
    for (int i = 0; i < SIZE; i++) {
        EACH_GROUP {
            lanes miss = scale[g] * level[i][g] + minimum[g] - s->x[i][g];
            missed[g] += s->weight[i][g] * (miss * miss);
        }
    }
    EACH_GROUP {
        int_lanes better = solvable[g] & (missed[g] < error[g]);
        error[g] = choose(better, missed[g], error[g]);
        fit->scale[g] = choose(better, scale[g], fit->scale[g]);
        fit->minimum[g] = choose(better, minimum[g], fit->minimum[g]);
        fit->inverse[g] = choose(better, inverse[g], fit->inverse[g]);
        fit->start[g] = choose(better, start[g], fit->start[g]);
    }
}

static void search(const Samples *s, Fit *fit) {
    lanes error[GROUPS];
    first_fit(s, fit, error);
    for (int step = 0; step < STEPS; step++)
        try_range(s, fit, error, -1.0f + 0.1f * (float)step + (float)TOP);
    EACH_GROUP { /* equal numbers, none above zero: no scale, the minimum alone tells them */
        lanes start = choose(s->lowest[g] > 0.0f, all(0), s->lowest[g]);
        int_lanes flat = s->highest[g] == start;
        fit->scale[g] = choose(flat, all(0), fit->scale[g]);
        fit->minimum[g] = choose(flat, start, fit->minimum[g]);
        fit->inverse[g] = choose(flat, all(0), fit->inverse[g]);
        fit->start[g] = choose(flat, start, fit->start[g]);
        fit->strange[g] &= ~flat;
    }
}

/* The nearest multiple of a factor, in 6 bits; the detour over a byte is ggml's. */
static inline int in_six_bits(float x) {
    uint8_t byte = (uint8_t)nearest_wrapping_one(x);
    return byte < SCALE_TOP ? byte : SCALE_TOP;
}

/* Writes 6-bit scales and minima in 12 bytes: the first four of each in the low bits of a byte,
 * the others in the nibbles of the last four bytes and the high bits of the first eight. */
static void pack_scales(uint8_t *to, const int *scale, const int *minimum) {
    for (int j = 0; j < 4; j++) {
        to[j] = (uint8_t)(scale[j] | scale[j + 4] >> 4 << 6);
        to[j + 4] = (uint8_t)(minimum[j] | minimum[j + 4] >> 4 << 6);
        to[j + 8] = (uint8_t)((scale[j + 4] & 15) | (minimum[j + 4] & 15) << 4);
    }
}

/* Writes one super-block, given the search's results for its eight sub-blocks. */
static void write_block(uint8_t *to, const float *x, const float *scale, const float *minimum,
                        const float *inverse, const float *start) {
    float top_scale = 0, top_minimum = 0;
    for (int j = 0; j < PARTS; j++) {
        if (scale[j] > top_scale) top_scale = scale[j];
        if (-minimum[j] > top_minimum) top_minimum = -minimum[j];
    }
    float per_scale = top_scale > 0 ? (float)SCALE_TOP / top_scale : 0;
    float per_minimum = top_minimum > 0 ? (float)SCALE_TOP / top_minimum : 0;
    int scales[PARTS], minima[PARTS];
    for (int j = 0; j < PARTS; j++) {
        scales[j] = in_six_bits(per_scale * scale[j]);
        minima[j] = in_six_bits(per_minimum * -minimum[j]);
    }
    uint16_t factors[2] = {to_half(top_scale / SCALE_TOP), to_half(top_minimum / SCALE_TOP)};
    memcpy(to, factors, sizeof factors);
    pack_scales(to + 4, scales, minima);

    uint8_t level[SUPER_BLOCK];
    for (int j = 0; j < PARTS; j++) {
        float step = from_half(factors[0]) * (float)scales[j];
        float shift = from_half(factors[1]) * (float)minima[j];
        for (int i = j * SIZE; i < (j + 1) * SIZE; i += LANES) {
            /* A scale that was rounded to zero leaves the levels of the search. */
            lanes exact = step == 0 ? inverse[j] * (load(x + i) - start[j])
                                    : (load(x + i) + shift) / step;
            store_levels(level + i, exact, 0, TOP, 0);
        }
    }
    uint8_t *nibbles = to + 16;
    for (int j = 0; j < SUPER_BLOCK; j += 2 * SIZE, nibbles += SIZE)
        for (int i = 0; i < SIZE; i++)
            nibbles[i] = (uint8_t)(level[j + i] | level[j + SIZE + i] << 4);
}

static int64_t quantize_batch(const float *from, uint8_t *to, int64_t blocks,
                              ggml_quantizer *ggml) {
    Samples samples;
    Fit fit;
    load_samples(&samples, from);
    search(&samples, &fit);
    const float *scale = (float *)fit.scale, *minimum = (float *)fit.minimum;
    const float *inverse = (float *)fit.inverse, *start = (float *)fit.start;
    const int32_t *strange = (int32_t *)fit.strange;
    int64_t handed_over = 0;
    for (int64_t b = 0; b < blocks; b++, from += SUPER_BLOCK, to += Q4_K_BYTES) {
        int any = 0;
        for (int j = 0; j < PARTS; j++) any |= strange[b * PARTS + j];
        if (any) {
            ggml(GGML_Q4_K, from, to, 0, 1, SUPER_BLOCK, NULL);
            handed_over++;
        } else {
            write_block(to, from, scale + b * PARTS, minimum + b * PARTS, inverse + b * PARTS,
                        start + b * PARTS);
        }
    }
    return handed_over;
}

int64_t NAMED(q4k)(const float *from, uint8_t *to, int64_t blocks, ggml_quantizer *ggml) {
    int64_t handed_over = 0;
    for (; blocks >= BATCH; blocks -= BATCH, from += BATCH * SUPER_BLOCK, to += BATCH * Q4_K_BYTES)
        handed_over += quantize_batch(from, to, BATCH, ggml);
    if (blocks > 0) { /* too few for all lanes: the others look at zeros */
        float rest[BATCH * SUPER_BLOCK] = {0};
        memcpy(rest, from, (size_t)blocks * SUPER_BLOCK * sizeof *from);
        handed_over += quantize_batch(rest, to, blocks, ggml);
    }
    return handed_over;
}
