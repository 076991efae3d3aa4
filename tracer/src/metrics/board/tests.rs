use super::*;
use crate::{
    cli::{CommonArgs, LiveArgs},
    config::Config,
    event::{Event, Message, Timestamp, tracer},
};

fn board(shards: usize) -> Board {
    let config = Config::new(&LiveArgs::default(), &CommonArgs::default()).unwrap();
    Board::new(shards, &config.flows, View::Messages)
}

fn anomaly(code: &'static str) -> Event<'static> {
    let message = Message::Anomaly(tracer::Anomaly::new(code, None));
    Event { time: Timestamp(1), connection: None, side: None, message }
}

#[test]
fn what_shards_count_is_added_up() {
    let board = board(2);
    let mut shards: Vec<_> = (0..2).map(|shard| board.counting(shard).unwrap()).collect();
    assert!(board.counting(2).is_none());
    let [one, two] = &mut shards[..] else { panic!() };
    one.event(&anomaly("bare-lf"));
    two.event(&anomaly("no-greeting"));
    two.event(&anomaly("bare-lf"));
    let expected = [("bare-lf".to_owned(), 2), ("no-greeting".to_owned(), 1)];
    assert_eq!(board.anomalies(), BTreeMap::from(expected));
    let gap = Message::ACTIONS.iter().position(|action| *action == "gap").unwrap();
    one.line(gap);
    two.line(gap);
    assert_eq!(board.actions(), BTreeMap::from([("gap".to_owned(), 2)]));
}

#[test]
fn services_that_are_awaited_are_there_from_the_start() {
    let services = board(1).services();
    let told: Vec<_> = services.iter().map(|one| (&*one.protocol, one.port)).collect();
    assert_eq!(told, [("http", Some(80)), ("smtp", Some(25)), ("imap", Some(143))]);
    assert!(services.iter().all(|service| service.is_silent() && service.latencies.len() == 15));
}
