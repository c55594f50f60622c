/* What every kernel file shares: names for types, and who walks the indices on either device.
   Common subset of C11 and CUDA C; see emdose/compute/kernel_loader.py for the rules. */
typedef long long i64;
typedef unsigned int u32;
typedef unsigned short u16;
typedef short i16;
typedef unsigned char u8;
typedef signed char i8;

#ifndef real
#  define real float
#endif
typedef struct { real re, im; } creal;

/* Threads of a block of KERNEL_BLOCKS; on a CPU a loop over them stands for them between two barriers. */
#define BLOCK_X 64
#define BLOCK_Y 8

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)

#  define FN static __device__ __forceinline__
#  define RESTRICT __restrict__
/* A struct that stays where the launch put it, in constant memory, for a kernel whose registers a copy would crowd. */
#  define CONSTANT(name) const __grid_constant__ name
/* A GPU inlines and unrolls everything; where that takes too many registers: */
#  define FN_APART static __device__ __noinline__
#  define ROLLED _Pragma("unroll 1")
/* What no thread writes; of a parameter of its own that is const and RESTRICT a compiler sees so, of a struct's not always. */
#  define LOAD(address) __ldg(address)
#  ifndef NAN
#    define NAN __int_as_float(0x7fc00000)
#  endif
#  define KERNEL1(name, call, ...)                                                      \
    extern "C" __global__ void name(i64 n0, __VA_ARGS__) {                              \
        const i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;                       \
        if (i < n0) { call; }                                                           \
    }
#  define KERNEL3(name, call, ...)                                                      \
    extern "C" __global__ void name(int n0, int n1, int n2, __VA_ARGS__) {              \
        const int k = blockIdx.x * blockDim.x + threadIdx.x;                            \
        const int j = blockIdx.y * blockDim.y + threadIdx.y;                            \
        const int i = blockIdx.z * blockDim.z + threadIdx.z;                            \
        if (i < n0 && j < n1 && k < n2) { call; }                                       \
    }
#  define KERNEL_SPANS(name, call, ...)                                                 \
    extern "C" __global__ void name(int n0, int n1, int n2, int spans, const int *RESTRICT span, __VA_ARGS__) { \
        const int k = blockIdx.x * blockDim.x + threadIdx.x;                            \
        const int j = blockIdx.y * blockDim.y + threadIdx.y;                            \
        const int n = blockIdx.z * blockDim.z + threadIdx.z;                            \
        if (n < n0 && j < n1 && k < n2) {                                               \
            const int p = n / spans, i = n - p * spans, *ends = span + 2 * ((i64)i * n1 + j); \
            if (k >= ends[0] && k < ends[1]) { call; }                                  \
        }                                                                               \
    }
#  define KERNEL_BLOCKS(name, size, call, ...)                                          \
    extern "C" __global__ void __launch_bounds__(BLOCK_X * BLOCK_Y, 2) name(int n0, int n1, int n2, __VA_ARGS__) { \
        __shared__ real tile[size];                                                     \
        const int b0 = blockIdx.z, b1 = blockIdx.y, b2 = blockIdx.x;                    \
        if (b0 < n0 && b1 < n1 && b2 < n2) { call; }                                    \
    }
#  define THREADS(tx, ty) for (int tx = threadIdx.x, ty = threadIdx.y, once = 1; once; once = 0)
#  define BARRIER __syncthreads()

#else

#  include <math.h>
#  include <stddef.h>
#  if defined(_WIN32)
#    define EXPORT __declspec(dllexport)
#  else
#    define EXPORT
#  endif
#  define FN static inline
#  define FN_APART static inline
#  define RESTRICT restrict
#  define CONSTANT(name) const name
#  define ROLLED
#  define LOAD(address) (*(address))
EXPORT int emdose_threads = 1; /* set by the loader before every call */
#  if defined(_OPENMP)
#    define WALK(schedule) _Pragma(schedule)
#  else
#    define WALK(schedule)
#  endif
/* Chunks are handed out as threads ask for them, because the work per index may differ (cubes at a surface). */
FN i64 chunk_of(i64 n) {
    const i64 chunk = n / (16 * (i64)emdose_threads);
    return chunk < 1 ? 1 : chunk > 1024 ? 1024 : chunk;
}
#  define KERNEL1(name, call, ...)                                                      \
    EXPORT void name(i64 n0, __VA_ARGS__) {                                             \
        WALK("omp parallel for schedule(dynamic, chunk_of(n0)) num_threads(emdose_threads)") \
        for (i64 i = 0; i < n0; i++) { call; }                                          \
    }
#  define KERNEL3(name, call, ...)                                                      \
    EXPORT void name(int n0, int n1, int n2, __VA_ARGS__) {                             \
        const i64 all_rows = (i64)n0 * n1; /* names that no parameter should have */    \
        WALK("omp parallel for schedule(dynamic, chunk_of(all_rows)) num_threads(emdose_threads)") \
        for (i64 one_row = 0; one_row < all_rows; one_row++) {                          \
            const int i = (int)(one_row / n1), j = (int)(one_row % n1);                 \
            for (int k = 0; k < n2; k++) { call; }                                      \
        }                                                                               \
    }
#  define KERNEL_SPANS(name, call, ...)                                                 \
    EXPORT void name(int n0, int n1, int n2, int spans, const int *RESTRICT span, __VA_ARGS__) { \
        const i64 all_rows = (i64)n0 * n1;                                              \
        WALK("omp parallel for schedule(dynamic, chunk_of(all_rows)) num_threads(emdose_threads)") \
        for (i64 one_row = 0; one_row < all_rows; one_row++) {                          \
            const int n = (int)(one_row / n1), j = (int)(one_row % n1);                 \
            const int p = n / spans, i = n - p * spans;                                 \
            const int *ends = span + 2 * ((i64)i * n1 + j), row_end = ends[1];          \
            for (int k = ends[0]; k < row_end; k++) { call; }                           \
        }                                                                               \
    }
#  define KERNEL_BLOCKS(name, size, call, ...)                                          \
    EXPORT void name(int n0, int n1, int n2, __VA_ARGS__) {                             \
        const i64 all_blocks = (i64)n0 * n1 * n2;                                       \
        WALK("omp parallel for schedule(dynamic, 1) num_threads(emdose_threads)")       \
        for (i64 one_block = 0; one_block < all_blocks; one_block++) {                  \
            real tile[size];                                                            \
            const int b0 = (int)(one_block / n2 / n1), b1 = (int)(one_block / n2 % n1), b2 = (int)(one_block % n2); \
            call;                                                                       \
        }                                                                               \
    }
#  define THREADS(tx, ty) for (int ty = 0; ty < BLOCK_Y; ty++) for (int tx = 0; tx < BLOCK_X; tx++)
#  define BARRIER

#endif

/* sin and cos to 1e-13, without a branch, for x up to some 1e6 */
FN void sine_cosine(double x, double *s, double *c) {
    const double n = floor(x * 0.63661977236758134308 + 0.5), q = n - 4.0 * floor(0.25 * n);
    const double r = (x - n * 1.5707963267341256) - n * 6.0771005065061922e-11, r2 = r * r;
    const double a = r + r * r2 * (-1.0 / 6 + r2 * (1.0 / 120 + r2 * (-1.0 / 5040 + r2 * (1.0 / 362880 + r2 * (
                     -1.0 / 39916800 + r2 / 6227020800.0)))));
    const double b = 1.0 + r2 * (-0.5 + r2 * (1.0 / 24 + r2 * (-1.0 / 720 + r2 * (1.0 / 40320 + r2 * (-1.0 / 3628800
                     + r2 * (1.0 / 479001600 - r2 / 87178291200.0))))));
    const int odd = q == 1.0 || q == 3.0;
    const double big = odd ? b : a, small = odd ? a : b;
    *s = q >= 2.0 ? -big : big;
    *c = q == 1.0 || q == 2.0 ? -small : small;
}
