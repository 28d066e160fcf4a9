//! The page: sections in order. Each section takes what a pass made and lays it out; none derives anything.

use super::cost::{self, Costs, Setting};
use super::derive::{self, Body, Equation, Equations};
use super::phases::{self, Phase, Placed};
use super::system::{self, System};
use super::text::{Page, pad, thousands, width};
use super::why;
use crate::program as chunk_program;
use chunkwise_dsl::class::{Feedback, classify};
use chunkwise_dsl::diagnostic::Diagnostic;
use chunkwise_dsl::print::{self, Printer};
use chunkwise_dsl::rule::Rule;
use chunkwise_dsl::signature::{Param, Signature};
use chunkwise_dsl::timeline::Timeline;

/// The whole explanation.
pub(crate) fn explain(rule: &Rule, setting: &Setting) -> String {
    let mut page = Page::default();
    heading(&mut page, rule);
    match &rule.timeline {
        Ok(t) => affine(&mut page, t, setting),
        Err(reason) => recurrent_only(&mut page, rule, reason),
    }
    page.finish()
}

fn affine(page: &mut Page, t: &Timeline, setting: &Setting) {
    let (extended, parts) = system::extend(t);
    let forward = t;
    let t = &extended;
    let mut roots = t.roots();
    roots.extend(parts.iter().flat_map(|p| p.terms.iter().map(|x| x.1).chain(p.constant)));
    let printer = Printer::new(&t.signature, &t.graph, &t.givens, &roots);
    let s = System::new(t, parts);
    tensors(
        page,
        &t.signature,
        |n, p| {
            let decay = cost::is_decay(t, n);
            (
                cost::element(t, n, p, setting).0.to_string(),
                if decay { "enters a decay" } else { "" }.to_string(),
            )
        },
        setting,
    );
    token(page, forward);
    class(page, &s, &printer);
    let mut equations = derive::derive(&s, &printer);
    phases::share(&mut equations);
    chunk(page, &equations);
    if classify(t).passes > 1 {
        page.section("phases", "cut by dependence on the carried state");
        page.paragraph(2, "several passes over a chunk are derived here, but not built yet: the recurrent plan runs this rule");
    } else {
        let placed = phases::cut(&mut equations);
        cut(page, &equations, &placed);
    }
    let program = chunk_program::derive(forward).ok().map(|p| chunk_program::simplify(&p));
    if let Some(program) = &program {
        page.section(
            "the chunk program",
            "what kernels are made from: operands are inputs where they can be",
        );
        chunk_program::print(program).lines().for_each(|line| page.line(&format!("  {line}")));
    }
    backward(page, forward);
    costs(page, &cost::costs(&s, setting), program.as_ref(), t, setting);
}

fn heading(page: &mut Page, rule: &Rule) {
    page.section(&rule.signature.name, "");
    // The comment's own line breaks are kept where a sentence ends; elsewhere text flows.
    let mut flow = String::new();
    for line in rule.signature.docs.lines().map(str::trim) {
        if !flow.is_empty() && !line.is_empty() {
            flow.push(' ');
        }
        flow.push_str(line);
        if line.is_empty() || line.ends_with('.') {
            if !flow.is_empty() {
                page.paragraph(2, &flow);
                flow.clear();
            }
            if line.is_empty() {
                page.line("");
            }
        }
    }
    if !flow.is_empty() {
        page.paragraph(2, &flow);
    }
}

fn tensors(
    page: &mut Page,
    s: &Signature,
    element: impl Fn(usize, &Param) -> (String, String),
    setting: &Setting,
) {
    page.section("tensors", "H: any head count that divides HV, the number of states");
    let mut rows = Vec::new();
    for state in &s.states {
        let dims: Vec<&str> = state.shape.dims().map(|d| s.dim(d)).collect();
        let kind = format!("State<{}>", dims.join(", "));
        let layout = format!("[N, HV, {}]", dims.join(", "));
        rows.push(vec![
            state.name.clone(),
            kind,
            layout,
            setting.wide().0.into(),
            "carried from token to token".into(),
        ]);
    }
    for (n, p) in s.params.iter().enumerate() {
        let (element, mut remark) = element(n, p);
        if let Some(range) = &p.range {
            let bounds = format!("in {} ..= {}", number(*range.start()), number(*range.end()));
            remark = if remark.is_empty() { bounds } else { format!("{remark}, {bounds}") };
        }
        rows.push(vec![p.name.clone(), kind_of(s, p), layout_of(s, p), element, remark]);
    }
    for o in &s.outputs {
        let dims: String = o.shape.dims().map(|d| format!(", {}", s.dim(d))).collect();
        let layout = format!("[B, T, HV{dims}]");
        rows.push(vec![
            o.name.clone(),
            s.describe(o.shape),
            layout,
            setting.element.clone(),
            "output".into(),
        ]);
    }
    page.table(2, &rows);
}

/// A bound in its shortest form.
fn number(x: f64) -> String {
    if x != 0.0 && !(1e-4..1e6).contains(&x.abs()) { format!("{x:e}") } else { x.to_string() }
}

fn kind_of(s: &Signature, p: &Param) -> String {
    let one = s.describe(p.shape);
    match (p.per_head, p.count) {
        (true, _) => format!("PerHead<{one}>"),
        (_, Some(n)) => format!("[{one}; {n}]"),
        _ => one,
    }
}

fn layout_of(s: &Signature, p: &Param) -> String {
    let dims: String = p.shape.dims().map(|d| format!(", {}", s.dim(d))).collect();
    match (p.per_head, p.count) {
        (true, _) => format!("[H{dims}]"),
        (_, Some(n)) => format!("[B, T, {n}, H{dims}]"),
        _ => format!("[B, T, H{dims}]"),
    }
}

fn token(page: &mut Page, t: &Timeline) {
    page.section("one token", "in order");
    print::timeline(t).lines().for_each(|line| page.line(&format!("  {line}")));
}

fn class(page: &mut Page, s: &System<'_>, printer: &Printer<'_>) {
    page.section("class", &classify(s.t).to_string());
    for (label, reason) in why::reasons(s, printer) {
        page.labelled(2, 10, &label, &reason);
    }
}

fn chunk(page: &mut Page, e: &Equations) {
    page.section(
        "one chunk of C tokens",
        "a capital stacks rows t = 1 .. C; X0 is state X at the start, X at the end",
    );
    legend(page, e);
    let all: Vec<&Equation> = e.definitions.iter().chain(&e.steps).collect();
    let column = all.iter().map(|q| width(&q.name)).max().unwrap_or(0);
    if !e.definitions.is_empty() {
        e.definitions.iter().for_each(|q| equation(page, 2, column, q));
        page.line("");
    }
    e.steps.iter().for_each(|q| equation(page, 2, column, q));
}

fn legend(page: &mut Page, e: &Equations) {
    if e.rows.is_empty() {
        return;
    }
    let column = e.rows.iter().map(|r| width(&r.0)).max().unwrap_or(0);
    for (name, text) in &e.rows {
        let rows = if text.contains("[j]") {
            format!("  rows (t, j), j = 0 .. {}", e.lanes - 1)
        } else {
            String::new()
        };
        page.line(&format!("  {}  {text}{rows}", pad(name, column)));
    }
    if e.lanes > 1 {
        page.line(&format!(
            "  {} steps a token are stacked: {} C rows in token order, tril(.., -1) sees all earlier ones",
            e.lanes, e.lanes
        ));
    }
    page.line("");
}

/// One equation; its remark stands at the right where there is room, otherwise on a line of its own above it.
fn equation(page: &mut Page, indent: usize, column: usize, q: &Equation) {
    let lines = match &q.body {
        Body::Matrix(f) => f.lines(super::text::WIDTH - indent - column - 3),
        Body::Text { lines, .. } => lines.clone(),
        Body::Rows { lines, .. } => {
            page.line(&format!("{}{}   {}:", " ".repeat(indent), pad(&q.name, column), q.note));
            lines.iter().for_each(|l| page.line(&format!("{}{l}", " ".repeat(indent + column + 5))));
            return;
        }
    };
    for (n, line) in lines.iter().enumerate() {
        let name = if n == 0 { pad(&q.name, column) } else { " ".repeat(column) };
        let sign = if n == 0 { "=" } else { " " };
        let left = format!("{}{name} {sign} {line}", " ".repeat(indent));
        let note = if n + 1 == lines.len() { q.note.as_str() } else { "" };
        let start = NOTE.max(width(&left) + 3);
        if note.is_empty() {
            page.line(&left);
        } else if start + width(note) <= super::text::WIDTH {
            page.line(&format!("{}{note}", pad(&left, start)));
        } else {
            page.line(&left);
            page.line(&format!("{}   ({note})", " ".repeat(indent + column)));
        }
    }
}

fn by_name(page: &mut Page, names: &mut Vec<&str>) {
    if !names.is_empty() {
        page.line(&format!("           {}", names.join(", ")));
        names.clear();
    }
}

/// The column where remarks begin.
const NOTE: usize = 52;

fn cut(page: &mut Page, e: &Equations, placed: &[Placed]) {
    page.section("phases", "cut by dependence on the carried state");
    let column = placed.iter().map(|p| width(&p.equation.name)).max().unwrap_or(0);
    for (phase, title) in [
        (Phase::Before, "before   free of the carried state: all chunks at once"),
        (Phase::Carry, "carry    feeds the next chunk: chunk after chunk"),
        (Phase::After, "after    reads the state its chunk began with: all chunks at once"),
    ] {
        let here: Vec<&Placed> = placed.iter().filter(|p| p.phase == phase).collect();
        if here.is_empty() {
            continue;
        }
        page.line(&format!("  {title}"));
        // In the order in which they run; runs of equations that stand above as they are go by name.
        let masks =
            e.definitions.iter().map(|d| d.name.trim_end_matches("_ts")).filter(|_| phase == Phase::Before);
        let mut names: Vec<&str> = masks.collect();
        for p in here {
            if p.changed {
                by_name(page, &mut names);
                equation(page, 11, column, &p.equation);
            } else {
                names.push(&p.equation.name);
            }
        }
        by_name(page, &mut names);
    }
}

fn backward(page: &mut Page, t: &Timeline) {
    if classify(t).passes > 1 {
        return;
    }
    page.section(
        "the backward pass is a rule too",
        "events in reverse: reads become writes, writes become reads",
    );
    print::timeline(&crate::adjoint::adjoint(t).dual)
        .lines()
        .for_each(|line| page.line(&format!("  {line}")));
}

fn costs(
    page: &mut Page,
    c: &Costs,
    program: Option<&chunk_program::Program>,
    t: &Timeline,
    setting: &Setting,
) {
    let sizes: Vec<String> =
        t.signature.dims.iter().zip(&setting.sizes).map(|(d, n)| format!("{d} = {n}")).collect();
    let remark = format!("C = {}, {}, {}", setting.chunk, sizes.join(", "), setting.element);
    page.section("costs per token and state head", &remark);
    let (r, r_o, w, w_f) = c.counts;
    let (r_s, w_s) = c.met;
    let is_coupled = (r_s, w_s) != (r as u64, w as u64);
    let with_state = if is_coupled { "2 K V (R_s + W_s)" } else { "2 K V (R + W)" };
    let number = |n: u64| thousands(n);
    let mut rows = vec![
        vec!["Gram matrices".into(), "2 C K R W".into(), number(c.grams), "flop".into()],
        vec!["with the state".into(), with_state.into(), number(c.with_state), "flop".into()],
        vec!["inside the chunk".into(), "2 C V (R_o W + W_f^2)".into(), number(c.inside), "flop".into()],
        vec![
            "chunkwise".into(),
            format!("R = {r}, R_o = {r_o}, W = {w}, W_f = {w_f}"),
            number(c.chunkwise()),
            "flop, in matrix products".into(),
        ],
        vec![
            "recurrent".into(),
            "the whole state, every event".into(),
            number(c.recurrent),
            "flop, none in matrix products".into(),
        ],
        vec!["bytes".into(), "each input and output once".into(), number(c.total_bytes()), "bytes".into()],
    ];
    if let Some(program) = program {
        let work = chunk_program::work(program, &setting.sizes, setting.chunk);
        let per_token = work.total() / setting.chunk.max(1) as u64;
        let remark = "as derived, with inverses".into();
        let row = vec!["chunk program".into(), remark, number(per_token), "flop, in matrix products".into()];
        rows.insert(4, row);
    }
    page.table(2, &rows);
    let parts: Vec<String> = c.bytes.iter().map(|(n, b)| format!("{n} {}", thousands(*b))).collect();
    page.paragraph(2, &format!("bytes: {}", parts.join(", ")));
    let intensity =
        |flops: u64| if c.total_bytes() == 0 { 0.0 } else { flops as f64 / c.total_bytes() as f64 };
    page.paragraph(
        2,
        &format!(
            "intensity: {:.0} flop per byte chunkwise, {:.0} recurrent",
            intensity(c.chunkwise()),
            intensity(c.recurrent)
        ),
    );
    if is_coupled {
        let text = format!(
            "R_s = {r_s} pairs of a read and a state that it finds part of, W_s = {w_s} of a write and a state that it becomes \
             part of: mixes make states part of each other"
        );
        page.paragraph(2, &text);
    }
    if t.forms.len() > 1 {
        let text = "several states: only reads and writes that meet have products; a vector state has V = 1";
        page.paragraph(2, text);
    }
    if classify(t).feedback > Feedback::Linear {
        page.paragraph(2, "of the work inside the chunk, the W_f part is the substitution: row by row, not in matrix products");
    }
    if t.forms.iter().all(|f| f.key.is_none() || f.value.is_none()) {
        page.paragraph(
            2,
            "vector states only: one side of every product has length 1, so the token loop does less",
        );
    }
}

fn recurrent_only(page: &mut Page, rule: &Rule, reason: &Diagnostic) {
    let setting = Setting::square(rule.signature.dims.len(), 1);
    let element = |_: usize, p: &Param| {
        let vector = p.shape != chunkwise_dsl::graph::Shape::Scalar && !p.per_head;
        (if vector { setting.element.clone() } else { setting.wide().0.to_string() }, String::new())
    };
    tensors(page, &rule.signature, element, &setting);
    page.section("one token", "in order");
    print::rule(rule).lines().for_each(|line| page.line(&format!("  {line}")));
    page.section("class", "recurrent only");
    page.labelled(2, 11, "why", &reason.message);
    page.labelled(2, 11, "to change", &reason.hint);
    page.labelled(
        2,
        11,
        "plan",
        "the token loop: every token waits for the one before it, and every event touches the whole state",
    );
}
