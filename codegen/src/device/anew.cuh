// The number of this thread, as if it were new each time. What follows from it, addresses above all, is then computed where it
// is used; the compiler would otherwise compute it once, before the loop over chunks, and keep it in registers that states need.
// It still knows that the number is not negative.
__device__ __forceinline__ int this_thread() {
    int thread = threadIdx.x;
    asm volatile("" : "+r"(thread));
    __builtin_assume(thread >= 0);
    return thread;
}
