// Vectors by the compiler's extension (GCC 12, Clang 12): one source for every
// architecture. On amd64 each hot function is compiled twice, for AVX2 and for
// any processor, and chosen when called; both do the same arithmetic in the same
// order, so the results are equal to the bit; CGO_CFLAGS=-DPORTABLE_ONLY leaves
// AVX2 out, to test that.
#ifndef DATASET_AUDIT_VECTOR_H
#define DATASET_AUDIT_VECTOR_H

#define INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__) && !defined(PORTABLE_ONLY)
#define HAVE_AVX2_CLONE 1
#define AVX2_CLONE __attribute__((target("avx2,bmi2")))
#define USE_AVX2() (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"))
#endif

#endif
