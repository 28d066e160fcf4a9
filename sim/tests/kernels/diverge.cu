// Lanes that go their own ways.

// Steps of n -> n / 2 or 3 n + 1 until 1, and the highest value met; each lane ends when it ends.
extern "C" __global__ void collatz(const unsigned* starts, unsigned* steps, unsigned long long* peaks, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned long long x = starts[i], peak = x;
    unsigned count = 0;
#pragma unroll 1
    while (x != 1) {
        if (x % 2 == 0) {
            x /= 2;
        } else {
            x = 3 * x + 1;
            if (x > peak) peak = x;
        }
        count++;
    }
    steps[i] = count;
    peaks[i] = peak;
}

// A machine of eight instructions; each lane runs a program of its own. An instruction is an operation in the low 3 bits and
// an operand above them.
extern "C" __global__ void interpret(const unsigned* programs, int length, int fuel, int* out)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    const unsigned* program = programs + i * length;
    int a = i, b = 1, at = 0;
#pragma unroll 1
    for (; fuel > 0; fuel--) {
        if (at >= length) break;
        unsigned word = program[at++];
        int operand = word >> 3;
        switch (word & 7) {
        case 0: a += operand; break;
        case 1: a *= 2 * operand + 1; break;
        case 2: b ^= a; break;
        case 3: a = a - b; break;
        case 4: { int t = a; a = b; b = t; } break;
        case 5: if (a % 3 == 0) at += operand % 4; break;
        case 6: if (b < 0) { b = -b; continue; } a ^= operand << 7; break;
        case 7: for (int j = 0; j < operand % 5; j++) { if (a & 1) b += j; a = (a >> 1) + b; } break;
        }
    }
    out[i * 2] = a;
    out[i * 2 + 1] = b;
}

// Warps meet at a barrier inside a loop that ends at the same turn for all of them, with work between that does not.
extern "C" __global__ void meet(const int* data, int* out, int turns)
{
    __shared__ int box[128];
    int x = data[threadIdx.x];
#pragma unroll 1
    for (int turn = 0; turn < turns; turn++) {
        int work = x & 7;
#pragma unroll 1
        while (work-- > 0) x = x * 5 + turn;
        box[threadIdx.x] = x;
        __syncthreads();
        x ^= box[(threadIdx.x + 37) % 128];
        __syncthreads();
    }
    out[threadIdx.x] = x;
}
