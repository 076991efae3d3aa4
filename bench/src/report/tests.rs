use std::time::Duration;

use super::*;
use crate::figures::Figure;

const RATE: Figure = Figure::new("packets/s", "");
const MEMORY: Figure = Figure::new("memory", "MB");

fn report() -> Report {
    let options = Options::default();
    let mut findings = Findings::new(&options);
    findings.begin("case");
    findings.table("load", "what it is", Some(("tcpdump", RATE)));
    for (floor, tracer) in [(4.0e6, 2.0e6), (4.4e6, 1.98e6), (4.0e6, 2.08e6)] {
        findings.add("tcpdump", RATE, floor);
        findings.add("tracer", RATE, tracer);
        findings.add("tracer", MEMORY, 7.5);
    }
    findings.absent("httpry", "not installed");
    findings.note("a note");
    findings.end();
    findings.times = vec![("case".to_owned(), Duration::from_secs(3))];
    Report::new(&options, Machine::default(), findings)
}

#[test]
fn a_table_has_medians_spreads_and_ratios() {
    let text = report().text();
    let expected = "
case load: what it is
  tool             packets/s        memory, MB  packets/s, ratio to tcpdump
  tcpdump        4.00 M ±5%                           1.00 ±0%
  tracer         2.00 M ±2%  7.50 ±0%            0.500 ±7%
  httpry   not installed
";
    let squeeze = |text: &str| {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    let (text, expected): (Vec<String>, Vec<String>) = (squeeze(&text), squeeze(expected));
    assert_eq!(text.get(..expected.len()), Some(&expected[..]), "{text:#?}");
}

#[test]
fn nearly_all_is_not_all() {
    let mut findings = Findings::default();
    findings.begin("case");
    findings.table("load", "", None);
    findings.add("tracer", Figure::new("decoded", "%"), 99.97);
    findings.add("tracer", Figure::count("lost"), 16.0);
    let cells = table::cells(&findings.tables[0]);
    assert_eq!(cells, [["tool", "decoded, %", "lost"], ["tracer", "> 99.9", "16"]]);
}

#[test]
fn values_have_three_digits() {
    for (number, text) in [
        (0.0, "0"),
        (0.004_567, "0.00457"),
        (0.43, "0.430"),
        (4.0, "4.00"),
        (999.6, "1000"),
        (9_999.0, "9999"),
        (10_000.0, "10.0 k"),
        (1_234_567.0, "1.23 M"),
        (-2.5e9, "-2.50 G"),
    ] {
        assert_eq!(value(number), text);
    }
}

#[test]
fn a_page_keeps_what_stands_around_the_run() {
    let page = format!("above\n{BEGIN}\nold\n{END}\nbelow\n");
    let new = replace(&page, "new\n").unwrap();
    assert_eq!(new, format!("above\n{BEGIN}\n\nnew\n\n{END}\nbelow\n"));
    assert_eq!(replace(&new, "new\n").unwrap(), new);
    assert_eq!(replace("no place", "new"), None);
}

#[test]
fn the_page_says_what_rivals_do_less() {
    let page = report().markdown();
    assert!(page.contains("| tracer | 2.00 M ±2% | 7.50 ±0% | 0.500 ±7% |"), "{page}");
    assert!(page.contains("\nA note.\n"), "{page}");
    assert!(page.contains("| httpry |"), "{page}");
}

#[test]
fn json_has_every_value() {
    let value: Value = serde_json::from_str(&report().json().unwrap()).unwrap();
    let tool = &value["tables"][0]["tools"][0];
    assert_eq!(tool["figures"][0]["values"], json!([4.0e6, 4.4e6, 4.0e6]));
    assert_eq!(tool["ratio_to_baseline"]["median"], 1.0);
    assert_eq!(value["tables"][0]["tools"][2]["absent"], "not installed");
    assert_eq!(value["seconds"]["case"], 3.0);
}
