use chunkwise::rule;

#[rule]
struct Memory;

fn main() {}
