// Pieces of sequences: the runs of `length` tokens of sequence n have the numbers from b(n) / length + n on, where b(n) is its
// first token.

// The sequence that a piece is of, by bisection.
__device__ __forceinline__ i64 sequence_of(const i64 *cu_seqlens, i64 tokens, i64 sequences, i64 length, i64 piece) {
    i64 low = 0;
    for (i64 high = sequences; high - low > 1;) {
        const i64 middle = (low + high) / 2;
        const i64 begin = cu_seqlens ? cu_seqlens[middle] : middle * tokens;
        if (begin / length + middle <= piece) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}
