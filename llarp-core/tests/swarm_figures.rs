//! How even swarms are, what one change moves, and the plot of both. Prints what
//! `docs/spec/11-swarms.md` §7 states: run with `--nocapture`, with `LLARP_FULL=1` for its sizes.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::swarm_support::*;

const SIZES: [usize; 4] = [50, 500, 2000, 10_000];

/// Epochs of 5 % churn, fewer for the largest network, so that everybody's tests are done soon.
fn epochs(relays: usize) -> u64 {
    match (full(), relays) {
        (true, _) => 500,
        (false, 10_000) => 20,
        (false, _) => 100,
    }
}

/// A network of `relays` that has lived for some epochs, in which a twentieth came and went.
fn lived(relays: usize, epochs: u64, seed: u64) -> History {
    let mut history = History::genesis(relays, seed);
    for _ in 0..epochs {
        history.churn(relays / 20, relays / 20);
    }
    history
}

/// A network of `relays` that grew by half in twenty epochs and shrank again in twenty, while a twentieth
/// came and went in each: swarms open, and others dissolve.
fn breathed(relays: usize, seed: u64) -> History {
    let mut history = History::genesis(relays, seed);
    let (some, more) = (relays / 20, relays / 40);
    let before = history.swarms().len();
    (0..20).for_each(|_| history.churn(some, some + more));
    let grown = history.swarms().len();
    (0..20).for_each(|_| history.churn(some + more, some));
    let after = history.swarms().len();
    assert!(
        before < grown && after < grown,
        "{before} swarms, then {grown}, then {after}"
    );
    history
}

#[test]
fn balance_does_not_degrade_under_long_churn() {
    let whole = Whole::begin(
        "balance_does_not_degrade_under_long_churn",
        format!("{} epochs of {SIZES:?} relays", epochs(50)),
    );
    for relays in SIZES {
        let mut history = History::genesis(relays, 11);
        let genesis = largest_share(&history.swarms());
        let (mut shares, mut fewest, mut most) = (Vec::new(), usize::MAX, 0);
        for _ in 0..epochs(relays) {
            // What comes and goes is uneven, so that swarms open and dissolve.
            let [leaves, joins] = [0; 2].map(|_| below(&mut history.rng, relays / 10));
            let many = history.seats.len() > relays;
            history.churn(leaves, if many { 0 } else { 2 * joins });
            shares.push(largest_share(&history.swarms()));
            let sizes = history.sizes();
            fewest = fewest.min(*sizes.iter().min().unwrap());
            most = most.max(*sizes.iter().max().unwrap());
        }
        let (first, second) = shares.split_at(shares.len() / 2);
        let late = summary(second.to_vec())[0] / summary(first.to_vec())[0];
        let [mean, p99, max] = summary(shares);
        say(&format!(
            "{relays}: largest share over mean: {genesis:.2} at genesis, then mean {mean:.2}, \
             p99 {p99:.2}, max {max:.2}; members {fewest} to {most}; second half / first {late:.2}"
        ));
        assert!(genesis <= 2.0 && max <= 2.5, "{relays}: {genesis} {max}");
        assert!(late < 1.25, "{relays}: {late}");
        assert!(fewest >= 7 && most <= 12, "{relays}: {fewest} {most}");
    }
    whole.found_nothing();
}

#[test]
fn one_join_or_leave_moves_few_mailboxes_and_relays() {
    let tries = if full() { 1000 } else { 60 };
    let whole = Whole::begin(
        "one_join_or_leave_moves_few_mailboxes_and_relays",
        format!("{tries} joins and leaves of {SIZES:?} relays"),
    );
    for relays in SIZES {
        let base = lived(relays, epochs(relays) / 10, 12);
        for (what, leaves, joins) in [("join", 0, 1), ("leave", 1, 0)] {
            let changes = (0..tries).map(|seed| {
                let mut after = base.clone();
                after.rng = crate::support::rng(10_000 + seed);
                after.churn(leaves, joins);
                after.change_since(&base)
            });
            state(what, base.swarms().len(), changes.collect(), 7);
        }
        worst(relays);
    }
    whole.found_nothing();
}

/// The very join that opens a swarm, and the very leave that dissolves one.
fn worst(relays: usize) {
    let count = relays / 9;
    let (mut opened, mut dissolved) = (Vec::new(), Vec::new());
    for seed in 0..if full() { 20 } else { 3 } {
        let mut full = History::genesis(relays, 100 + seed);
        full.churn(count, count);
        let to_full = (count + 1) * 9 - 1 - full.seats.len();
        full.churn(0, to_full);
        let before = full.clone();
        full.churn(0, 1);
        assert_eq!(full.swarms().len(), count + 1);
        opened.push(full.change_since(&before));

        let mut thin = before;
        let leaves = thin.seats.len() - count * 8;
        thin.churn(leaves, 0);
        let before = thin.clone();
        thin.churn(1, 0);
        assert_eq!(thin.swarms().len(), count - 1);
        dissolved.push(thin.change_since(&before));
    }
    state("join that opens a swarm", count, opened, 14);
    state("leave that dissolves a swarm", count, dissolved, 12);
}

fn state(what: &str, swarms: usize, changes: Vec<Change>, most_relays: usize) {
    let relays = changes.iter().map(|change| change.relays).max().unwrap();
    let mean_relays =
        changes.iter().map(|change| change.relays).sum::<usize>() as f64 / changes.len() as f64;
    let [mean, p99, max] = summary(changes.iter().map(|change| change.mailboxes).collect());
    say(&format!(
        "{swarms} swarms, a {what}: mailboxes mean {:.3} %, p99 {:.3} %, max {:.3} % ({:.2} of a \
         swarm's mean share); relays mean {mean_relays:.1}, max {relays}",
        mean * 100.0,
        p99 * 100.0,
        max * 100.0,
        max * swarms as f64,
    ));
    assert!(
        max * swarms as f64 <= 1.5,
        "{what}: {max} of {swarms} swarms"
    );
    assert!(relays <= most_relays, "{what}: {relays} relays");
}

#[test]
fn committed_plot_is_what_the_machine_does() {
    let plot = plot();
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/plots/swarm-balance.svg"
    );
    let path = PathBuf::from(path);
    if std::env::var_os("LLARP_WRITE_PLOTS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &plot).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == plot, "write it anew with LLARP_WRITE_PLOTS=1");
}

// ── the plot ─────────────────────────────────────────────────────────────────────────────────────

/// Columns of a network each; above, the mailboxes of a swarm; below, its members.
const COLUMN: f64 = 215.0;
const LEFT: f64 = 62.0;
const WIDE: f64 = 180.0;
const TOP: f64 = 96.0;
const HIGH: f64 = 170.0;
const LOW: f64 = 350.0;

const HEAD: &str = r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 930 560" width="930" height="560" font-family="system-ui, sans-serif" font-size="12">
<title>How even swarms are, in networks of 50 to 10,000 relays</title>
<style>
svg { --ink: #1f2430; --soft: #667085; --line: #d5dae3; --paper: #ffffff; --one: #1668c7; --two: #c2570c; --three: #2f8f4e; }
@media (prefers-color-scheme: dark) { svg { --ink: #e6e9ef; --soft: #9aa4b5; --line: #39414f; --paper: #14181f; --one: #6cb2ff; --two: #ffa45c; --three: #6fd08c; } }
text { fill: var(--ink); } .soft { fill: var(--soft); } .title { font-size: 16px; font-weight: 600; } .paper { fill: var(--paper); }
.grid { stroke: var(--line); stroke-width: 1; } .mean { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 4 3; }
.one { stroke: var(--one); fill: none; stroke-width: 2; } .two { stroke: var(--two); fill: none; stroke-width: 2; } .three { stroke: var(--three); fill: none; stroke-width: 2; }
.bar1 { fill: var(--one); } .bar2 { fill: var(--two); } .bar3 { fill: var(--three); } .end { text-anchor: end; } .mid { text-anchor: middle; }
</style>
<rect class="paper" width="930" height="560"/>
"#;

fn plot() -> String {
    let mut svg = HEAD.to_owned();
    let mut put = |line: String| svg.push_str(&(line + "\n"));
    put(text(20.0, 30.0, "title", "How even swarms are"));
    put("<rect class=\"bar1\" x=\"20\" y=\"46\" width=\"14\" height=\"4\"/>".to_owned());
    put(text(40.0, 53.0, "soft", "at genesis"));
    put("<rect class=\"bar2\" x=\"120\" y=\"46\" width=\"14\" height=\"4\"/>".to_owned());
    put(text(
        140.0,
        53.0,
        "soft",
        "after 40 epochs in each of which 5 % left and 5 % joined",
    ));
    put("<rect class=\"bar3\" x=\"484\" y=\"46\" width=\"14\" height=\"4\"/>".to_owned());
    put(text(
        504.0,
        53.0,
        "soft",
        "after it also grew by half in 20 of them, and shrank again in 20",
    ));
    for (number, relays) in (0u8..).zip(SIZES) {
        let left = LEFT + f64::from(number) * COLUMN;
        put(text(
            left + WIDE / 2.0,
            TOP - 14.0,
            "mid",
            &format!("{relays} relays"),
        ));
        put(frame(left, number == 0));
        let [young, old] = [History::genesis(relays, 21), lived(relays, 40, 21)];
        let moved = breathed(relays, 21);
        for (class, history) in [("one", &young), ("two", &old), ("three", &moved)] {
            put(curve(left, class, history));
        }
        put(bars(left, [&young, &old, &moved]));
    }
    put(text(
        LEFT,
        LOW - 46.0,
        "soft",
        "swarms, from the one with fewest mailboxes to the one with most",
    ));
    put(text(LEFT, LOW + HIGH + 36.0, "soft", "members of a swarm"));
    let upright = |y: f64, words: &str| {
        format!(
            "<text class=\"soft mid\" transform=\"translate(20 {y}) rotate(-90)\">{words}</text>"
        )
    };
    put(upright(TOP + HIGH / 2.0, "mailboxes, over the mean"));
    put(upright(LOW + HIGH / 2.0, "share of swarms"));
    svg + "</svg>\n"
}

fn text(x: f64, y: f64, class: &str, words: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{words}</text>")
}

fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> String {
    let ((x1, y1), (x2, y2)) = (from, to);
    format!("<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>\n")
}

/// The lines behind a column's curve and bars, with numbers at the first.
fn frame(left: f64, first: bool) -> String {
    let mut svg = String::new();
    for half in 0u8..=4 {
        let value = f64::from(half) / 2.0;
        let y = TOP + HIGH * (1.0 - value / 2.0);
        let class = if half == 2 { "mean" } else { "grid" };
        svg += &line(class, (left, y), (left + WIDE, y));
        let share = LOW + HIGH * (1.0 - value / 2.0);
        svg += &line("grid", (left, share), (left + WIDE, share));
        if first {
            svg += &text(left - 8.0, y + 4.0, "soft end", &format!("{value:.1}"));
            svg += &text(
                left - 8.0,
                share + 4.0,
                "soft end",
                &format!("{} %", half * 25),
            );
        }
    }
    svg
}

fn curve(left: f64, class: &str, history: &History) -> String {
    let mut over_mean = shares(&history.swarms());
    let count = over_mean.len() as f64;
    over_mean.sort_by(f64::total_cmp);
    let mut points = String::new();
    for (at, share) in over_mean.iter().enumerate() {
        let y = TOP + HIGH * (1.0 - share * count / 2.0);
        for edge in [at, at + 1] {
            let x = left + WIDE * edge as f64 / count;
            write!(points, "{x:.1},{y:.1} ").unwrap();
        }
    }
    format!(
        "<polyline class=\"{class}\" points=\"{}\"/>",
        points.trim_end()
    )
}

fn bars(left: f64, histories: [&History; 3]) -> String {
    let mut svg = String::new();
    for (slot, members) in (0u8..).zip(6usize..=13) {
        let x = left + 6.0 + f64::from(slot) * 22.0;
        for (nth, history) in (0u8..).zip(histories) {
            let (class, shift) = (format!("bar{}", nth + 1), f64::from(nth) * 6.5);
            let sizes = history.sizes();
            let those = sizes.iter().filter(|size| **size == members).count();
            let high = HIGH * those as f64 / sizes.len() as f64;
            if those > 0 {
                let (x, y) = (x + shift, LOW + HIGH - high);
                writeln!(svg, "<rect class=\"{class}\" x=\"{x}\" y=\"{y:.1}\" width=\"6\" height=\"{high:.1}\"/>").unwrap();
            }
        }
        let label = text(x + 9.5, LOW + HIGH + 16.0, "soft mid", &members.to_string());
        svg += &(label + "\n");
    }
    svg
}
