//! Squares of one form are made by one text: each warp makes 16 rows of one of them, and chooses what they are made from.
//!
//! ```text
//! const int part = warp, which = part / 4, row = part % 4 * 16;
//! const auto reads = which == 0 ? k_tile : q_tile;
//! gram<..>(sum, reads, k_tile, row);
//! if (which == 0) { .. invert_eighths(..); } else { .. store_fine(..); }
//! ```
//!
//! A chunk of four squares would otherwise have four texts, of which a warp runs one: the compiler's time is that of its text.
//!
//! Invariants: squares of a group are a Gram matrix each, or its rows times coefficients; their Gram matrices have the same slots a
//! token, and either all or none decay by channel.

use super::made::{Made, store};
use super::{keys as by_channel, mask, slots, whole, written};
use crate::fused::Square;
use crate::print::fused::products::TWO_PARTS;
use crate::print::fused::{Fused, TileName, mixes};
use crate::writer::Writer;
use chunkwise_algebra::program::{KeysId, Op};
use chunkwise_dsl::graph::Value;

/// Squares of one form.
pub(super) struct Alike<'a> {
    members: Vec<Member<'a>>,
    /// The number of a warp's 16 rows among those of all squares.
    part: String,
    /// The warps that share them.
    warps: u32,
    /// Which of the squares they are of, and the first of them.
    which: String,
    row: String,
    /// The accumulators.
    sum: String,
    /// Decayed keys and the pairs of one token, where states decay by channel.
    by_channel: Option<Chosen>,
}

struct Member<'a> {
    made: Made<'a>,
    form: Form<'a>,
}

/// `reads writes^T`, times coefficients.
#[derive(Clone, Copy)]
struct Form<'a> {
    reads: KeysId,
    writes: KeysId,
    scale: Option<&'a [Value]>,
    /// Whether it decays by a number.
    decays: bool,
    /// The numbers of pairs of one token, where the state decays by channel.
    own: Option<usize>,
}

/// What one warp's Gram matrix is made from.
struct Chosen {
    reads: TileName,
    writes: TileName,
    /// The first product of their parts.
    first: String,
    /// The cumulative decays of reads and of writes, and their signs.
    decays: Option<[String; 2]>,
    signs: Option<[String; 2]>,
    own: Option<String>,
    /// Pairs within blocks.
    near: Option<String>,
}

/// All squares, those of one form together: as many as have rows for the warps at one time where they decay by channel, since
/// their accumulators live for long.
pub(super) fn groups<'a>(fused: &Fused<'_>, made: Vec<Copies<'a>>, warps: u32) -> Vec<Vec<Copies<'a>>> {
    let mut all: Vec<Vec<Copies<'_>>> = Vec::new();
    for copies in made {
        let square = copies[0].0;
        let joins = |group: &Vec<Copies<'_>>| {
            let rows: u32 = group.iter().map(|copies| copies[0].0.rows).sum();
            let room = |form: Form<'_>| form.own.is_none() || rows + square.rows <= warps * 16;
            let first = group[0][0].0;
            match (form(fused, first), form(fused, square)) {
                (Some(x), Some(y)) => same_size(first, square) && same_text(fused, x, y) && room(y),
                _ => false,
            }
        };
        match all.iter().position(joins) {
            Some(at) => all[at].push(copies),
            None => all.push(vec![copies]),
        }
    }
    all
}

/// The first product of the keys' parts: 0 where both are in three.
fn first_product(fused: &Fused<'_>, form: Form<'_>) -> &'static str {
    let in_three = |of| keys(fused, form, of).last.is_some();
    if in_three(form.reads) && in_three(form.writes) { "0" } else { TWO_PARTS }
}

/// Squares that differ by decays, with their tiles.
pub(super) type Copies<'a> = Vec<(&'a Square, &'a TileName)>;

fn same_size(x: &Square, y: &Square) -> bool {
    (x.rows, x.columns) == (y.rows, y.columns)
}

/// Whether two Gram matrices are made by one text.
fn same_text(fused: &Fused<'_>, x: Form<'_>, y: Form<'_>) -> bool {
    let text = |form: Form<'_>| {
        let decays =
            |form: Form<'_>, keys| fused.decays(keys).filter(|_| form.decays).map(|rows| rows.sign.is_some());
        let split = |tile: TileName| tile.low.is_some();
        let tiles = (split(keys(fused, form, form.reads)), split(keys(fused, form, form.writes)));
        (
            slots(fused, form.reads, form.writes),
            decays(form, form.reads),
            decays(form, form.writes),
            tiles,
            form.own.is_some(),
        )
    };
    text(x) == text(y)
}

/// A square's form, where it is one that groups have.
fn form<'a>(fused: &'a Fused<'_>, square: &Square) -> Option<Form<'a>> {
    let chunk = &fused.plan.chunk;
    let (gram, scale) = match &chunk.node(whole(square)).op {
        Op::Scale(by, x) => (*x, Some(&by[..])),
        _ => (whole(square), None),
    };
    let (reads, writes, decays) = match chunk.node(gram).op {
        Op::Gram(reads, writes) | Op::Decay(reads, writes, _) => (reads, writes, true),
        Op::Plain(reads, writes) => (reads, writes, false),
        _ => return None,
    };
    let own = fused.plan.own.iter().position(|own| own.gram == gram);
    (!mixes::is_of(fused, gram)).then_some(Form { reads, writes, scale, decays, own })
}

/// The tile of keys as the Gram matrix takes them.
fn keys(fused: &Fused<'_>, form: Form<'_>, keys: KeysId) -> TileName {
    if form.own.is_some() { fused.state_keys(keys) } else { fused.keys(keys) }
}

impl<'a> Alike<'a> {
    /// Shares the rows among the warps, from the one on that is number 0 of `turn`.
    pub(super) fn new(
        fused: &'a Fused<'_>,
        squares: Vec<Made<'a>>,
        (turn, warps): (&str, u32),
        w: &mut Writer,
    ) -> Alike<'a> {
        let member = |made: Made<'a>| Some(Member { form: form(fused, made.square())?, made });
        let [part, which, row, sum] = ["part", "which", "row", "sum"].map(|wish| fused.fresh(wish));
        let members: Vec<Member<'_>> = squares.into_iter().filter_map(member).collect();
        let mut alike = Alike { members, part, warps, which, row, sum, by_channel: None };
        let Alike { part, members, .. } = &alike;
        w.line(format_args!("const int {part} = {turn};"));
        if members.iter().any(|member| member.form.own.is_some()) {
            alike.place(&alike.part, w);
            alike.by_channel = Some(alike.choose_all(fused, w));
        }
        alike
    }

    /// Which square and which rows a part is.
    fn place(&self, part: &str, w: &mut Writer) {
        let Alike { which, row, .. } = self;
        let each = self.members[0].made.square().rows / 16;
        w.line(format_args!("const int {which} = {part} / {each}, {row} = {part} % {each} * 16;"));
    }

    /// How many warps' rows there are.
    fn parts(&self) -> u32 {
        self.members.iter().map(|member| member.made.square().rows / 16).sum()
    }

    /// How many of the first warps' rows are those that rows are solved with, where those of no later square are.
    fn inverted(&self) -> u32 {
        let solves = |member: &&Member<'_>| member.made.square().feedback.is_some();
        let first: Vec<_> = self.members.iter().take_while(solves).collect();
        let all = self.members.iter().filter(solves).count();
        let rows = |member: &&Member<'_>| member.made.square().rows / 16;
        if first.len() == all { first.iter().map(rows).sum() } else { 0 }
    }

    /// Names of what is chosen, declared where members differ.
    fn choose_all(&self, fused: &Fused<'_>, w: &mut Writer) -> Chosen {
        let mut tile = |wish: &str, of: fn(Form<'_>) -> KeysId| {
            let names: Vec<TileName> = self.members.iter().map(|m| keys(fused, m.form, of(m.form))).collect();
            let low: Option<Vec<String>> = names.iter().map(|tile| tile.low.clone()).collect();
            // Who has no third part takes no product of it.
            let or_low = |tile: &TileName| tile.last.clone().or_else(|| tile.low.clone());
            let last: Option<Vec<String>> = names.iter().map(or_low).collect();
            let last = last.filter(|_| self.has_thirds(fused));
            let high = names.into_iter().map(|tile| tile.high).collect();
            TileName {
                high: self.choose(fused, wish, high, w),
                low: low.map(|names| self.choose(fused, &format!("{wish}_rest"), names, w)),
                last: last.map(|names| self.choose(fused, &format!("{wish}_last"), names, w)),
            }
        };
        let (reads, writes) = (tile("reads", |form| form.reads), tile("writes", |form| form.writes));
        let mut number = |wish: &str, of: &dyn Fn(Form<'_>) -> Option<String>| {
            let names: Option<Vec<String>> = self.members.iter().map(|m| of(m.form)).collect();
            names.map(|names| self.choose(fused, wish, names, w))
        };
        let first = number("first", &|form| Some(first_product(fused, form).to_owned()));
        let rows = |form: Form<'_>, keys| fused.decays(keys).filter(|_| form.decays);
        let log = |form: Form<'_>, keys| rows(form, keys).map(|rows| rows.log.clone());
        let sign = |form: Form<'_>, keys| rows(form, keys).and_then(|rows| rows.sign.clone());
        let own = number("own", &|form| form.own.map(|at| fused.own[at].clone()));
        let near = number("near", &|form| form.own.map(|at| fused.near[at].clone()));
        let decays = [number("until", &|f| log(f, f.reads)), number("since", &|f| log(f, f.writes))];
        let signs = [number("sign", &|f| sign(f, f.reads)), number("sign", &|f| sign(f, f.writes))];
        let both = |[x, y]: [Option<String>; 2]| Some([x?, y?]);
        let first = first.unwrap_or_default();
        Chosen { reads, writes, first, decays: both(decays), signs: both(signs), own, near }
    }

    /// One of the members' names.
    fn choose(&self, fused: &Fused<'_>, wish: &str, names: Vec<String>, w: &mut Writer) -> String {
        if names.iter().all(|name| *name == names[0]) {
            return names[0].clone();
        }
        let name = fused.fresh(wish);
        let last = names.len() - 1;
        let choices = names.iter().enumerate().map(|(at, name)| match at == last {
            true => name.clone(),
            false => format!("{} == {at} ? {name} : ", self.which),
        });
        // A chunk of one block has no pairs of blocks, whose products would take the tiles.
        let of_one = fused.plan.tokens == 16 && self.members[0].form.own.is_some();
        let unused = if of_one { "[[maybe_unused]] " } else { "" };
        w.line(format_args!("{unused}const auto {name} = {};", choices.collect::<String>()));
        name
    }

    /// The accumulators, where they are filled length by length.
    pub(super) fn begin(&self, w: &mut Writer) {
        if self.by_channel.is_some() {
            w.line(format_args!(
                "float {}[{}][4] = {{}};",
                self.sum,
                self.members[0].made.square().columns / 8
            ));
        }
    }

    /// Adds the products of decayed keys for the pairs of blocks of one length.
    pub(super) fn add_far(&self, fused: &Fused<'_>, half: &str, w: &mut Writer) {
        let Some(Chosen { reads, writes, first, .. }) = &self.by_channel else { return };
        let form = self.members[0].form;
        w.block(format_args!("if ({} < {})", self.part, self.parts()), |w| {
            let head = format!("add_far<{}, {}>", fused.operand(), slots(fused, form.reads, form.writes));
            let tail = format!(", {}, {half}", self.row);
            let writes = written(fused, writes.clone());
            fused.products_from(first, (&head, &self.sum, &tail), reads, &writes, w);
        });
    }

    /// Whether a square's keys are in three parts.
    fn has_thirds(&self, fused: &Fused<'_>) -> bool {
        self.members.iter().any(|member| first_product(fused, member.form) != TWO_PARTS)
    }

    /// The rows of each square.
    pub(super) fn fill(&self, fused: &Fused<'_>, w: &mut Writer) {
        let Alike { part, warps, sum, row, .. } = self;
        let (parts, form) = (self.parts(), self.members[0].form);
        let slots = slots(fused, form.reads, form.writes);
        if let Some(chosen) = &self.by_channel {
            return w.block(format_args!("if ({part} < {parts})"), |w| {
                if let (Some(own), Some(near)) = (&chosen.own, &chosen.near) {
                    by_channel::take_near(fused, &slots, sum, near, row, w);
                    w.line(format_args!("add_own<{slots}>({sum}, {own}, {row});"));
                }
                self.finish(fused, w);
            });
        }
        let rows = |part: &str, w: &mut Writer| {
            self.place(part, w);
            let Chosen { reads, writes, first, decays, signs, .. } = self.choose_all(fused, w);
            w.line(format_args!("float {sum}[{}][4] = {{}};", self.members[0].made.square().columns / 8));
            let (head, tail) = (format!("gram<{}, {slots}>", fused.operand()), format!(", {row}"));
            fused.products_from(&first, (&head, sum, &tail), &reads, &writes, w);
            if let Some([read, write]) = decays {
                w.line(format_args!("decay_between({sum}, {read}, {write}, {row});"));
            }
            if let Some([read, write]) = signs {
                w.line(format_args!("sign_between({sum}, {read}, {write}, {row});"));
            }
            self.finish(fused, w);
        };
        if parts <= *warps {
            return w.block(format_args!("if ({part} < {parts})"), |w| rows(part, w));
        }
        let at = fused.fresh("part");
        // Where blocks are inverted it takes longest: who has some takes no others, where there are warps for those.
        let inverted = self.inverted();
        let step = match (1..*warps).contains(&inverted) {
            true => format!("{part} < {inverted} ? {parts} : {}", warps - inverted),
            false => warps.to_string(),
        };
        w.line("#pragma unroll 1");
        w.block(format_args!("for (int {at} = {part}; {at} < {parts}; {at} += {step})"), |w| rows(&at, w));
    }

    /// What is done with each square's Gram matrix.
    fn finish(&self, fused: &Fused<'_>, w: &mut Writer) {
        let Alike { which, sum, row, members, .. } = self;
        let last = members.len() - 1;
        for (at, member) in members.iter().enumerate() {
            let head = match at {
                0 => format!("if ({which} == 0)"),
                at if at == last => "else".to_owned(),
                at => format!("else if ({which} == {at})"),
            };
            w.block(head, |w| {
                let Form { reads, writes, scale, own, .. } = member.form;
                if own.is_none() && member.made.as_it_is() {
                    mask(fused, reads, writes, (sum, row), w);
                }
                if let Some(by) = scale {
                    w.line(format_args!("scale_rows({sum}, {}, {row});", fused.coefficient(by)));
                }
                store(fused, &member.made, (sum, row), w);
            });
        }
    }
}
