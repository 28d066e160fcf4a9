//! A few lines of PTX, made into a kernel and run.
//!
//! ```text
//! threads(64, "add.u32 %r1, %r0, 1;")         what each of 64 threads leaves in %r1, in order
//! ```
//!
//! Before the lines, `%r0` is the thread's number in the block, and `%rd0` the address of a buffer of one `u32` for each
//! thread of the grid, filled with [`NOTHING`]. After them, each thread that comes so far writes `%r1` to its place.

use chunkwise_sim::check::Violation;
use chunkwise_sim::machine::{Arguments, Error, Launch, Module, Options};
use chunkwise_sim::memory::global::Global;

/// What the buffer holds where no thread wrote.
pub(crate) const NOTHING: u32 = 0xdead;

/// The whole module around some lines; `globals` stands before the kernel, `declarations` at the head of its body.
pub(crate) fn module(globals: &str, declarations: &str, lines: &str) -> String {
    format!(
        ".version 8.0
.target sm_80
.address_size 64
{globals}
.visible .entry test(.param .u64 out)
{{
    .reg .pred %p<8>;
    .reg .b16 %h<8>;
    .reg .b32 %r<32>;
    .reg .b64 %rd<16>;
    .reg .f32 %f<16>;
    .reg .b32 %lane, %warp, %block, %at;
    .reg .b64 %place;
    {declarations}
    ld.param.u64 %rd0, [out];
    mov.u32 %r0, %tid.x;
    mov.u32 %lane, %laneid;
    shr.u32 %warp, %r0, 5;
    mov.u32 %block, %ctaid.x;
    mov.u32 %at, %ntid.x;
    mad.lo.u32 %at, %block, %at, %r0;
    mad.wide.u32 %place, %at, 4, %rd0;
    mov.u32 %r1, 0;
{lines}
    st.global.u32 [%place], %r1;
    ret;
}}
"
    )
}

/// Runs a module's kernel `test` on a buffer of a word for each thread.
pub(crate) fn run_with(text: &str, launch: Launch, options: &Options) -> Result<Vec<u32>, Error> {
    let kernel = Module::parse(text)?.kernel("test")?;
    let words = launch.blocks() as usize * launch.threads() as usize;
    let mut memory = Global::new();
    let out = memory.alloc_named(4 * words as u64, 256, "out").expect("a small buffer");
    let before: Vec<u8> = (0..words).flat_map(|_| NOTHING.to_le_bytes()).collect();
    memory.write(out, &before).expect("the buffer is there");
    kernel.run(&launch, &Arguments::new().pointer(out), &mut memory, options)?;
    let mut bytes = vec![0; 4 * words];
    memory.read(out, &mut bytes).expect("the buffer is there");
    Ok(bytes.chunks(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect())
}

/// What each thread leaves in `%r1`, with declarations.
pub(crate) fn run(globals: &str, declarations: &str, launch: Launch, lines: &str) -> Vec<u32> {
    let text = module(globals, declarations, lines);
    run_with(&text, launch, &Options::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What each thread of one block leaves in `%r1`.
pub(crate) fn threads(count: u32, lines: &str) -> Vec<u32> {
    run("", "", Launch::linear(1, count), lines)
}

/// Whether each thread of one block leaves in `%r1` what a function of its number says.
pub(crate) fn check(count: u32, lines: &str, expected: impl Fn(u32) -> u32) {
    let (found, expected) = (threads(count, lines), (0..count).map(expected).collect::<Vec<_>>());
    assert_eq!(found, expected, "{lines}");
}

/// The violation of some lines.
pub(crate) fn violation(declarations: &str, launch: Launch, lines: &str) -> Violation {
    violation_of(&module("", declarations, lines), launch)
}

/// The violation of a module.
pub(crate) fn violation_of(text: &str, launch: Launch) -> Violation {
    // Which of two blocks finds their race depends on which comes first: one after the other.
    let options = Options { instruction_limit: 100_000, threads: 1, ..Options::default() };
    match run_with(text, launch, &options) {
        Err(Error::Violation(violation)) => *violation,
        Err(error) => panic!("{error}\n{text}"),
        Ok(_) => panic!("nothing was found wrong with\n{text}"),
    }
}
