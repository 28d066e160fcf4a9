// Runs kernels of one file and answers requests on standard input; see cuda.hpp.
//
// A request: kernel, blocks, threads, number of arguments (u32 each); for each argument its kind (u32): 0 null; 1 buffer
// or 2 integer, with its size (u64) and bytes; 3 the same buffer as an earlier argument (u32). The answer: the bytes of
// every buffer, in order. A buffer ends at a page that cannot be touched: an access beyond it ends the process.
#include "cuda.hpp"
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <utility>
#include <vector>

// Defined beside the kernels.
void call(unsigned kernel, void **arguments);

Index threadIdx, blockIdx;

namespace {

enum class At { start, shuffle, barrier, end };

constexpr size_t STACK = 128 * 1024;

struct Lane {
    At at;
    float value;
    int mask;
    ucontext_t first;
    jmp_buf here;
    std::vector<char> stack = std::vector<char>(STACK);
};

std::vector<Lane> lanes;
unsigned current;
jmp_buf scheduler;
unsigned kernel;
void **arguments;

[[noreturn]] void fail(const char *what) {
    std::fprintf(stderr, "block %u, thread %u: %s\n", blockIdx.x, current, what);
    std::exit(3);
}

void stop(At at) {
    lanes[current].at = at;
    if (_setjmp(lanes[current].here) == 0) _longjmp(scheduler, 1);
}

void enter() {
    call(kernel, arguments);
    stop(At::end);
}

// Runs a thread until it stops.
void resume(unsigned thread) {
    current = thread;
    threadIdx.x = thread;
    Lane &lane = lanes[thread];
    if (_setjmp(scheduler) != 0) return;
    if (lane.at == At::start) setcontext(&lane.first);
    _longjmp(lane.here, 1);
}

// Runs a warp until it stands at a barrier or its end.
At run_warp(unsigned first) {
    for (;;) {
        for (unsigned l = first; l < first + 32; ++l) resume(l);
        for (unsigned l = first; l < first + 32; ++l) {
            current = l;
            if (lanes[l].at != lanes[first].at) fail("divergent: lanes of a warp wait at different places");
            if (lanes[l].at == At::shuffle && lanes[l].mask != lanes[first].mask) fail("divergent shuffle");
        }
        if (lanes[first].at != At::shuffle) return lanes[first].at;
        float values[32];
        for (unsigned l = 0; l < 32; ++l) values[l] = lanes[first + l].value;
        for (unsigned l = 0; l < 32; ++l) lanes[first + l].value = values[l ^ lanes[first].mask];
    }
}

void run_block(unsigned threads) {
    for (unsigned l = 0; l < threads; ++l) {
        Lane &lane = lanes[l];
        lane.at = At::start;
        getcontext(&lane.first);
        lane.first.uc_stack.ss_sp = lane.stack.data();
        lane.first.uc_stack.ss_size = STACK;
        lane.first.uc_link = nullptr;
        makecontext(&lane.first, enter, 0);
    }
    // Each warp runs as far as it can before the next: the greatest skew that barriers allow, in both directions.
    const unsigned warps = threads / 32;
    for (bool done = false; !done;) {
        unsigned ended = 0;
        for (unsigned w = 0; w < warps; ++w) {
            const unsigned first = (blockIdx.x % 2 == 0 ? w : warps - 1 - w) * 32;
            ended += run_warp(first) == At::end;
        }
        if (ended != 0 && ended != warps) fail("divergent: some warps wait at a barrier, others have ended");
        done = ended == warps;
    }
}

void *guarded(size_t size) {
    const size_t page = size_t(sysconf(_SC_PAGESIZE)), room = (size + page - 1) / page * page;
    char *base = static_cast<char *>(mmap(nullptr, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base == MAP_FAILED || mprotect(base + room, page, PROT_NONE) != 0) fail("no memory");
    return base + room - size;
}

template <typename T>
T take() {
    T x;
    if (std::fread(&x, sizeof x, 1, stdin) != 1) std::exit(2);
    return x;
}

} // namespace

float exchange(float value, int mask) {
    lanes[current].value = value;
    lanes[current].mask = mask;
    stop(At::shuffle);
    return lanes[current].value;
}

void __syncthreads() { stop(At::barrier); }

int main() {
    kernel = take<uint32_t>();
    const unsigned blocks = take<uint32_t>(), threads = take<uint32_t>(), count = take<uint32_t>();
    lanes.resize(threads);
    std::vector<void *> values(count, nullptr);
    std::vector<std::pair<void *, size_t>> buffers;
    for (void *&value : values) {
        const unsigned kind = take<uint32_t>();
        if (kind == 0) continue;
        if (kind == 3) {
            value = values[take<uint32_t>()];
            continue;
        }
        const size_t size = take<uint64_t>();
        value = guarded(size);
        if (std::fread(value, 1, size, stdin) != size) std::exit(2);
        if (kind == 1) buffers.push_back({value, size});
    }
    arguments = values.data();
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) run_block(threads);
    for (const auto &[data, size] : buffers) std::fwrite(data, 1, size, stdout);
    return std::fflush(stdout) != 0;
}
