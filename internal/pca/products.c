// Products of packed panels, the one hot loop of this package: see products.go for what it computes.
//
// The vectors are GCC's: eight doubles that the compiler lays out on whatever registers the chosen clone has.

typedef double v8 __attribute__((vector_size(64), aligned(8)));

#if defined(__x86_64__)
#define CLONES __attribute__((target_clones("avx512f", "arch=haswell", "default")))
#else
#define CLONES
#endif

// One tile: out[4][8] = Σ_r a[r·8 + 0..3]ᵀ b[r·8 + 0..7].
#define TILE(a, b, n, c0, c1, c2, c3)               \
  v8 c0 = {0}, c1 = {0}, c2 = {0}, c3 = {0};        \
  for (long r = 0; r < n; r++) {                    \
    v8 y = *(const v8 *)(b + 8 * r);                \
    const double *x = a + 8 * r;                    \
    c0 += x[0] * y, c1 += x[1] * y;                 \
    c2 += x[2] * y, c3 += x[3] * y;                 \
  }

CLONES void panel_product(const double *a, const double *b, long n, double *out, long stride) {
  for (int half = 0; half < 8; half += 4) {
    TILE((a + half), b, n, c0, c1, c2, c3)
    double *o = out + half * stride;
    *(v8 *)o = c0, *(v8 *)(o + stride) = c1;
    *(v8 *)(o + 2 * stride) = c2, *(v8 *)(o + 3 * stride) = c3;
  }
}
